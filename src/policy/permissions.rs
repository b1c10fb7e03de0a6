//! What an auth may do: its roles' rules, arranged so that a flake's own are found at once.
//!
//! 1. Laws 1 to 7 are decided here, and nowhere else.
//! 2. A plan is keyed by predicate, since a predicate stands on subjects of one collection only.
//! 3. [`Policy`] is the cache: it hangs inside one state of the database and is made anew when a block touches
//!    policy, schema or users (law 13). There is no time-to-live.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, RwLock};

use super::rule::{Effect, FunctionText, Rule, text_of};
use crate::base::Budget;
use crate::base::limits::REQUEST_STEPS_MAX;
use crate::lang::{Context, Function, Previous, Queries, Reach, Val};
use crate::model::system::{ROOT_ROLE, predicate};
use crate::model::{CollectionId, Error, Facts, PredicateId, SubjectId, Value, ValueRef};
use crate::schema::Schema;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Op(&'static str);

impl Op {
    /// Reading.
    pub const fn query() -> Self {
        Self("query")
    }

    /// Writing.
    pub const fn transact() -> Self {
        Self("transact")
    }

    /// Minting a token for an auth.
    pub const fn token() -> Self {
        Self("token")
    }

    /// Taking something away from every moment.
    pub const fn erase() -> Self {
        Self("erase")
    }

    /// Looking into the decisions about an auth.
    pub const fn audit() -> Self {
        Self("audit")
    }

    /// Reading the audit trail.
    pub const fn logs() -> Self {
        Self("logs")
    }

    /// The op's name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// The rules that decide about one predicate's flakes, for one auth and op.
#[derive(Debug)]
pub(super) enum Plan {
    /// Every flake is allowed.
    Allow,
    /// No flake is.
    Deny,
    /// The rules are asked.
    Ask {
        /// Deny rules of any role.
        denies: Vec<Arc<Rule>>,
        /// For each role, the rules that count in it: the explicit ones, or if there are none its defaults.
        roles: Vec<Vec<Arc<Rule>>>,
        /// What they look at, at the most.
        reach: Reach,
    },
}

/// What one auth may do, for one op.
#[derive(Debug)]
pub struct Permissions {
    auth: SubjectId,
    user: Option<SubjectId>,
    steps_max: u64,
    op: Op,
    is_root: bool,
    has_allow: bool,
    roles: Vec<Vec<Arc<Rule>>>,
    role_ids: BTreeSet<SubjectId>,
    plans: Vec<Plan>,
    /// Which plan a predicate has; the index is the predicate's id. 0 is deny.
    by_predicate: Vec<u32>,
}

/// Who reads the queries in functions, for a state with this schema.
pub type QueriesOf = fn(&Arc<Schema>) -> Arc<dyn Queries>;

/// The rules and permissions of one state of the database, read when they are first asked for.
#[derive(Debug)]
pub struct Policy {
    schema: Arc<Schema>,
    queries_of: QueriesOf,
    queries: Arc<dyn Queries>,
    rules: RwLock<HashMap<SubjectId, Arc<Rule>>>,
    /// The functions of specs; none, for one that does not compile.
    functions: RwLock<HashMap<SubjectId, Option<Function>>>,
    permissions: RwLock<HashMap<(SubjectId, Op), Arc<Permissions>>>,
}

/// How many auths' permissions are kept; beyond it all are forgotten and read again.
const KEPT_MAX: usize = 10_000;

impl Policy {
    /// An empty cache for a state with this schema.
    pub fn new(schema: Arc<Schema>, queries_of: QueriesOf) -> Self {
        Self {
            queries_of,
            queries: queries_of(&schema),
            schema,
            rules: RwLock::new(HashMap::new()),
            functions: RwLock::new(HashMap::new()),
            permissions: RwLock::new(HashMap::new()),
        }
    }

    /// An empty cache for another state of the database, with this schema.
    #[must_use]
    pub fn anew(&self, schema: Arc<Schema>) -> Self {
        Self::new(schema, self.queries_of)
    }

    /// Who reads the queries in the functions of this state.
    pub fn queries(&self) -> &dyn Queries {
        &*self.queries
    }

    /// The schema of this state.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// What `auth` may do. `facts` are those of this cache's state, unfiltered.
    pub fn permissions(
        &self,
        auth: SubjectId,
        op: &Op,
        facts: &dyn Facts,
    ) -> Result<Arc<Permissions>, Error> {
        let key = (auth, *op);
        if let Ok(kept) = self.permissions.read()
            && let Some(found) = kept.get(&key)
        {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(Permissions::load(auth, op, facts, self)?);
        if let Ok(mut kept) = self.permissions.write() {
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            kept.insert(key, Arc::clone(&made));
        }
        Ok(made)
    }

    /// One rule, compiled once.
    pub(super) fn rule(&self, id: SubjectId, facts: &dyn Facts) -> Result<Arc<Rule>, Error> {
        if let Ok(kept) = self.rules.read()
            && let Some(found) = kept.get(&id)
        {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(Rule::load(id, facts, &self.schema, self.queries())?);
        if let Ok(mut kept) = self.rules.write() {
            kept.insert(id, Arc::clone(&made));
        }
        Ok(made)
    }

    /// A function without parameters, compiled once; none if it is no such function.
    pub fn function(&self, id: SubjectId, facts: &dyn Facts) -> Result<Option<Function>, Error> {
        if let Ok(kept) = self.functions.read()
            && let Some(found) = kept.get(&id)
        {
            return Ok(found.clone());
        }
        let made = match text_of(id, facts)? {
            FunctionText {
                code: Some(code),
                params: None,
            } => Function::compile(&code, &[], &*self.schema, self.queries()).ok(),
            FunctionText { .. } => None,
        };
        if let Ok(mut kept) = self.functions.write() {
            kept.insert(id, made.clone());
        }
        Ok(made)
    }

    /// The rules of a role, lowest id first.
    pub(super) fn rules_of(
        &self,
        role: SubjectId,
        facts: &dyn Facts,
    ) -> Result<Vec<Arc<Rule>>, Error> {
        refs(role, predicate::ROLE_RULES, facts)?
            .into_iter()
            .map(|rule| self.rule(rule, facts))
            .collect()
    }
}

impl Permissions {
    fn load(auth: SubjectId, op: &Op, facts: &dyn Facts, policy: &Policy) -> Result<Self, Error> {
        // Law 1: roles of an auth are `_auth/roles`, and nothing else.
        let role_ids: BTreeSet<SubjectId> = refs(auth, predicate::AUTH_ROLES, facts)?
            .into_iter()
            .collect();
        let is_root = role_ids.contains(&ROOT_ROLE);
        let mut has_allow = is_root;
        let mut roles = Vec::new();
        for role in &role_ids {
            let rules = policy.rules_of(*role, facts)?;
            has_allow |= rules
                .iter()
                .any(|it| it.effect == Effect::Allow && !it.is_broken);
            roles.push(
                rules
                    .into_iter()
                    .filter(|it| it.governs(op.name()))
                    .collect(),
            );
        }
        let user = facts
            .subject_list(predicate::USER_AUTH, ValueRef::Ref(auth))?
            .first()
            .copied();
        let mut permissions = Self {
            auth,
            user,
            steps_max: steps_max(auth, facts)?,
            op: *op,
            is_root,
            has_allow,
            roles,
            role_ids,
            plans: vec![Plan::Deny, Plan::Allow],
            by_predicate: Vec::new(),
        };
        permissions.plan(policy.schema());
        Ok(permissions)
    }

    /// Makes the plan of every predicate; predicates with the same rules share one.
    fn plan(&mut self, schema: &Schema) {
        let mut known: BTreeMap<(Vec<SubjectId>, Vec<Vec<SubjectId>>), u32> = BTreeMap::new();
        for it in schema.predicates() {
            let reaching = |rule: &&Arc<Rule>| rule.reaches(it.collection, it.id);
            let (denies, roles) = self.applying(reaching);
            let key = (
                ids(&denies),
                roles.iter().map(|rules| ids(rules)).collect::<Vec<_>>(),
            );
            let plan = if let Some(plan) = known.get(&key) {
                *plan
            } else {
                let plan = match Plan::of(denies, roles) {
                    Plan::Deny => 0,
                    Plan::Allow => 1,
                    made @ Plan::Ask { .. } => {
                        self.plans.push(made);
                        u32::try_from(self.plans.len() - 1).unwrap_or(0)
                    }
                };
                known.insert(key, plan);
                plan
            };
            let Ok(index) = usize::try_from(it.id.0) else {
                continue;
            };
            if self.by_predicate.len() <= index {
                self.by_predicate.resize(index + 1, 0);
            }
            if let Some(slot) = self.by_predicate.get_mut(index) {
                *slot = plan;
            }
        }
    }

    /// Laws 2, 3 and 7: the deny rules, and for each role the rules that count.
    fn applying(
        &self,
        reaching: impl Fn(&&Arc<Rule>) -> bool,
    ) -> (Vec<Arc<Rule>>, Vec<Vec<Arc<Rule>>>) {
        let mut denies: Vec<Arc<Rule>> = Vec::new();
        let mut roles = Vec::new();
        for rules in &self.roles {
            let (deny, allow): (Vec<_>, Vec<_>) = rules
                .iter()
                .filter(&reaching)
                .cloned()
                .partition(|rule| rule.effect == Effect::Deny);
            denies.extend(deny);
            let (default, explicit): (Vec<_>, Vec<_>) =
                allow.into_iter().partition(|rule| rule.is_default);
            roles.push(if explicit.is_empty() {
                default
            } else {
                explicit
            });
        }
        denies.sort_by_key(|rule| rule.id);
        denies.dedup_by_key(|rule| rule.id);
        roles.retain(|rules| !rules.is_empty());
        (denies, roles)
    }

    /// The auth this is about.
    pub fn auth(&self) -> SubjectId {
        self.auth
    }

    /// The lowest `_user` of the auth.
    pub fn user(&self) -> Option<SubjectId> {
        self.user
    }

    /// The steps that one request may take: the product's bound, or the auth's own `_auth/fuel` if that is less.
    pub fn steps_max(&self) -> u64 {
        self.steps_max
    }

    /// Whether the auth holds the root role.
    pub fn is_root(&self) -> bool {
        self.is_root
    }

    /// Law 1: an auth none of whose roles holds an allow rule is refused everything but ending its own tokens.
    pub fn may_do_anything(&self) -> bool {
        self.has_allow
    }

    /// The roles the auth holds.
    pub fn roles(&self) -> &BTreeSet<SubjectId> {
        &self.role_ids
    }

    pub(super) fn plan_of(&self, p: PredicateId) -> &Plan {
        self.numbered_plan_of(p).1
    }

    /// The plan of a predicate, and the number by which it is told from others.
    pub(super) fn numbered_plan_of(&self, p: PredicateId) -> (u32, &Plan) {
        let index = usize::try_from(p.0).ok();
        let number = index.and_then(|index| self.by_predicate.get(index));
        let number = number.copied().unwrap_or(0);
        let index = usize::try_from(number).ok();
        let plan = index.and_then(|index| self.plans.get(index));
        (number, plan.unwrap_or(&Plan::Deny))
    }

    /// What a write may touch at all: whether any rule could allow a flake of `p`.
    pub fn could_write(&self, p: PredicateId) -> bool {
        self.is_root || !matches!(self.plan_of(p), Plan::Deny)
    }

    /// Whether any rule could allow the op at a subject of `c`.
    pub fn could_reach(&self, c: CollectionId) -> bool {
        if self.is_root {
            return true;
        }
        let (denies, roles) = self.applying(|rule| rule.reaches_subjects(c));
        !matches!(Plan::of(denies, roles), Plan::Deny)
    }

    /// What the context functions answer for this auth.
    pub fn context(&self, s: SubjectId, now_ms: i64) -> Context<'_> {
        Context {
            subject: Some(s),
            predicate: None,
            predicate_name: None,
            predicate_type: None,
            object: None,
            previous: Previous::Unavailable,
            auth: self.auth,
            user: self.user,
            op: self.op.name(),
            now_ms,
            request: None,
            flakes: None,
            seed: None,
        }
    }

    /// Whether no flake of `p` can ever be written, whatever the facts; and what is told then.
    pub fn never(&self, schema: &Schema, p: PredicateId) -> Option<Arc<str>> {
        if self.could_write(p) {
            return None;
        }
        let described = schema.predicate(p)?;
        let (denies, roles) = self.rules_for(described.collection, p);
        let mut allows: Vec<&Arc<Rule>> = roles.iter().flatten().collect();
        allows.sort_by_key(|rule| (rule.is_default, rule.id));
        let denies = denies.iter().filter(|rule| rule.constant() == Some(true));
        let own = denies
            .chain(allows)
            .find_map(|rule| rule.error_message.clone());
        let of = schema
            .collection(described.collection)
            .map_or("?", |it| &*it.name);
        let name = &described.name;
        Some(own.unwrap_or_else(|| {
            Arc::from(format!(
                "Insufficient permissions for predicate: {name} within collection: {of}."
            ))
        }))
    }

    /// The rules that count for a flake of `p`, constants not folded: for what a refusal tells.
    pub(super) fn rules_for(
        &self,
        c: CollectionId,
        p: PredicateId,
    ) -> (Vec<Arc<Rule>>, Vec<Vec<Arc<Rule>>>) {
        self.applying(|rule| rule.reaches(c, p))
    }

    /// Law 11: whether the op is allowed at a target that is a subject, and how.
    ///
    /// # Errors
    /// Only where there is no decision: the facts cannot be read, or a bound was passed.
    pub fn judge_target(
        &self,
        target: SubjectId,
        request: Option<&Val>,
        facts: &dyn Facts,
        now_ms: i64,
        budget: &Budget,
    ) -> Result<Allowed, Error> {
        if self.is_root {
            return Ok(Allowed::ByName);
        }
        let c = target.collection();
        let (denies, roles) = self.applying(|rule| rule.reaches_subjects(c));
        let context = Context {
            request,
            ..self.context(target, now_ms)
        };
        for rule in &denies {
            if rule.says_yes(&context, facts, budget)? {
                return Ok(Allowed::No);
            }
        }
        let mut allowed = Allowed::No;
        for rule in roles.iter().flatten() {
            let by_name = rule.ops.contains(self.op.name());
            if (by_name || allowed == Allowed::No) && rule.says_yes(&context, facts, budget)? {
                if by_name {
                    return Ok(Allowed::ByName);
                }
                allowed = Allowed::ByAll;
            }
        }
        Ok(allowed)
    }
}

/// How an op without a flake was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// It was not.
    No,
    /// Only by rules that say `all`.
    ByAll,
    /// By a rule that names the op, or by the root role.
    ByName,
}

impl Plan {
    /// Folds what is constant. The order of the rules stays, for what a refusal tells.
    fn of(denies: Vec<Arc<Rule>>, roles: Vec<Vec<Arc<Rule>>>) -> Self {
        if denies.iter().any(|rule| rule.constant() == Some(true)) {
            return Self::Deny;
        }
        let rules = || roles.iter().flatten();
        if rules().all(|rule| rule.constant() == Some(false)) {
            return Self::Deny;
        }
        if denies.is_empty() && rules().any(|rule| rule.constant() == Some(true)) {
            return Self::Allow;
        }
        let reach = denies.iter().chain(rules()).map(|rule| rule.reach()).max();
        Self::Ask {
            denies,
            roles,
            reach: reach.unwrap_or(Reach::Bearer),
        }
    }
}

fn ids(rules: &[Arc<Rule>]) -> Vec<SubjectId> {
    rules.iter().map(|rule| rule.id).collect()
}

fn steps_max(auth: SubjectId, facts: &dyn Facts) -> Result<u64, Error> {
    let own = facts.value_list(auth, predicate::AUTH_FUEL)?;
    let own = own.first().and_then(|fuel| match fuel {
        Value::Int(fuel) => Some(u64::try_from(*fuel).unwrap_or(0)),
        _ => None,
    });
    Ok(own.unwrap_or(REQUEST_STEPS_MAX).min(REQUEST_STEPS_MAX))
}

/// The refs of one subject and predicate.
pub(super) fn refs(
    s: SubjectId,
    p: PredicateId,
    facts: &dyn Facts,
) -> Result<Vec<SubjectId>, Error> {
    let mut refs = Vec::new();
    facts.values(s, p, &mut |fact| {
        refs.extend(fact.o.as_ref());
        ControlFlow::Continue(())
    })?;
    Ok(refs)
}
