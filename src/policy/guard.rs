//! What a policy must be, whoever writes it: root is bound by this too.
//!
//! 1. Root stays: its role, its rule, its auth's hold on the role, and the functions `true` and `false` (law 4).
//! 2. A rule is whole: functions without parameters that compile, ops, and a target that exists (law 6).
//! 3. What a rule or a spec uses is not taken away from under it.
//! 4. `validAfter` only moves forward, `revoked` only becomes true, an effect is fixed when the rule is made.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::change::PolicyChange;
use super::error::Error;
use super::uses::{broken, check_tag_renamed, check_uses};
use crate::base::limits::UNRECORDED_TOKEN_SECONDS_MAX;
use crate::lang::{Function, is_function_name};
use crate::model::system::{
    DATALOG, FALSE_FUNCTION, ROOT_AUTH, ROOT_ROLE, ROOT_RULE, ROOT_SETTING, TRUE_FUNCTION,
    USER_NUMBER_FIRST, collection, predicate,
};
use crate::model::{
    CollectionId, Direction, Facts, Flake, Names, Op, PredicateId, StoredFunction, SubjectId,
    Value, ValueRef,
};
use crate::schema::{Schema, tag_name};

/// Whether a commit of these flakes changes what anyone may do, or what rules are read from.
pub fn touches_policy(flakes: &[Flake]) -> bool {
    flakes.iter().any(|flake| match flake.s.collection() {
        collection::PREDICATE
        | collection::COLLECTION
        | collection::FUNCTION
        | collection::USER
        | collection::AUTH
        | collection::ROLE
        | collection::RULE
        | collection::SETTING => true,
        // A tag that is made changes no rule that is there.
        collection::TAG => flake.op == Op::Retract,
        _ => false,
    })
}

/// Checks what a transaction makes of the policy.
///
/// # Errors
/// `Fixed`, `InvalidFunction`, `InvalidRule` or `InUse`, for the lowest subject that is wrong.
pub fn check_policy(change: &PolicyChange<'_>) -> Result<(), Error> {
    let PolicyChange {
        after: (after, policy),
        flakes,
        ..
    } = *change;
    let schema = policy.schema();
    if !touches_policy(flakes)
        && !flakes
            .iter()
            .any(|it| it.s.collection() == collection::TOKEN)
    {
        return Ok(());
    }
    for flake in flakes {
        check_fixed(flake, change)?;
    }
    let touched: BTreeSet<SubjectId> = flakes.iter().map(|flake| flake.s).collect();
    let of = |c: CollectionId| touched.iter().copied().filter(move |s| s.collection() == c);
    check_uses(change)?;
    let functions_change = of(collection::FUNCTION).next().is_some()
        // A predicate that goes, or is no longer unique, may leave a text that does not compile.
        || flakes
            .iter()
            .any(|it| it.s.collection() == collection::PREDICATE && it.op == Op::Retract);
    if functions_change {
        check_functions(change)?;
    }
    check_specs(&touched, functions_change, after, schema)?;
    let rules: BTreeSet<SubjectId> = if functions_change {
        all(collection::RULE, after)?
    } else {
        of(collection::RULE)
            .filter(|s| after.exists(*s).unwrap_or(true))
            .collect()
    };
    for rule in rules {
        match check_rule(rule, after, schema) {
            // A rule that the request leaves alone is whole: what it uses is what is changed.
            Err(Error::InvalidRule { .. }) if !change.is_sent(rule) => {
                return Err(broken(rule, change)?);
            }
            checked => checked?,
        }
    }
    Ok(())
}

/// Points 1 and 4.
fn check_fixed(flake: &Flake, change: &PolicyChange<'_>) -> Result<(), Error> {
    let PolicyChange {
        before: (before, _),
        after: (after, _),
        now_ms,
        ..
    } = *change;
    let fixed = |why| {
        Err(Error::Fixed {
            subject: flake.s,
            why,
        })
    };
    let retracts = flake.op == Op::Retract;
    match (flake.s, flake.p) {
        (ROOT_ROLE, _) => return fixed("the root role cannot be changed"),
        (ROOT_RULE, _) => return fixed("the root rule cannot be changed"),
        (TRUE_FUNCTION | FALSE_FUNCTION, _) => {
            return fixed("the functions `true` and `false` cannot be changed");
        }
        (ROOT_AUTH, predicate::AUTH_ID) => return fixed("the root auth keeps its id"),
        (ROOT_AUTH, predicate::AUTH_ROLES) if retracts && flake.o == Value::Ref(ROOT_ROLE) => {
            return fixed("the root auth keeps the root role");
        }
        (ROOT_AUTH, predicate::AUTH_DISABLED) if !retracts => {
            return fixed("the root auth cannot be disabled");
        }
        // It could not be taken back, and until then no token of root would be good.
        (ROOT_AUTH, predicate::AUTH_VALID_AFTER)
            if !retracts && !matches!(flake.o, Value::Instant(ms) if ms <= now_ms) =>
        {
            return fixed("the root auth's `_auth/validAfter` is not in the future");
        }
        // The same, for every token of the database.
        (_, predicate::SETTING_VALID_AFTER)
            if !retracts && !matches!(flake.o, Value::Instant(ms) if ms <= now_ms) =>
        {
            return fixed("`_setting/validAfter` is not in the future");
        }
        (ROOT_SETTING, predicate::SETTING_ID) => return fixed("the settings keep their id"),
        (s, predicate::TAG_ID) if retracts => {
            if s.number() < USER_NUMBER_FIRST {
                return fixed("a system tag cannot be changed");
            }
            if let (Value::String(old), Some(new)) = (&flake.o, text(s, predicate::TAG_ID, after)?)
            {
                return check_tag_renamed(s, old, &new, change);
            }
            return if is_referred_to(s, after)? {
                Err(Error::InUse {
                    subject: s,
                    why: "the tag is still used".to_owned(),
                })
            } else {
                Ok(())
            };
        }
        (s, predicate::RULE_EFFECT) if before.exists(s)? && after.exists(s)? => {
            return fixed("the effect of a rule is fixed when the rule is made");
        }
        (s, predicate::TOKEN_REVOKED) if retracts && after.exists(s)? => {
            return fixed("a revoked token stays revoked");
        }
        // Its id would no longer be known to be revoked, and the token be good until its end.
        (s, predicate::TOKEN_REVOKED) if retracts && !is_long_over(s, before, now_ms)? => {
            return fixed("the record of a revoked token stays until a day after its end");
        }
        // A `false` that stood there could not be retracted, and so the token never be revoked.
        (_, predicate::TOKEN_REVOKED) if !retracts && flake.o != Value::Boolean(true) => {
            return fixed("`_token/revoked` only becomes true");
        }
        (_, predicate::SETTING_TOKEN_MAX_SECONDS)
            if !retracts && !matches!(flake.o, Value::Int(seconds) if seconds > 0) =>
        {
            return fixed("`_setting/tokenMaxSeconds` must be more than 0");
        }
        _ => {}
    }
    check_forward(flake, after)
}

/// What ends tokens only moves forward.
fn check_forward(flake: &Flake, after: &dyn Facts) -> Result<(), Error> {
    let why = match flake.p {
        predicate::AUTH_VALID_AFTER => "`_auth/validAfter` only moves forward",
        predicate::SETTING_VALID_AFTER => "`_setting/validAfter` only moves forward",
        _ => return Ok(()),
    };
    if flake.op != Op::Retract || !after.exists(flake.s)? {
        return Ok(());
    }
    let new = after.value_list(flake.s, flake.p)?;
    match (new.first(), &flake.o) {
        (Some(Value::Instant(new)), Value::Instant(old)) if new > old => Ok(()),
        _ => Err(Error::Fixed {
            subject: flake.s,
            why,
        }),
    }
}

/// Whether a token, and each that it could have been refreshed to, has ended by itself. One without an end is good for
/// nothing without its record.
fn is_long_over(token: SubjectId, facts: &dyn Facts, now_ms: i64) -> Result<bool, Error> {
    let day_ms = i64::try_from(UNRECORDED_TOKEN_SECONDS_MAX)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000);
    let ends = facts.value_list(token, predicate::TOKEN_EXPIRES)?;
    Ok(match ends.first() {
        Some(Value::Instant(ms)) => ms.saturating_add(day_ms) <= now_ms,
        _ => true,
    })
}

/// Point 2, for functions: all of them compile, those of the request told first.
fn check_functions(change: &PolicyChange<'_>) -> Result<(), Error> {
    let (after, policy) = change.after;
    let schema = policy.schema();
    let functions = all(collection::FUNCTION, after)?;
    let (first, then): (Vec<_>, Vec<_>) = functions
        .into_iter()
        .partition(|function| change.is_sent(*function));
    for subject in first.into_iter().chain(then) {
        let invalid = |why: String| {
            // A function that the request leaves alone compiled before: what it uses is what is changed.
            Err(if change.is_sent(subject) {
                Error::InvalidFunction { subject, why }
            } else {
                broken(subject, change)?
            })
        };
        let name = text(subject, predicate::FN_NAME, after)?;
        let code = text(subject, predicate::FN_CODE, after)?;
        let (Some(name), Some(code)) = (name, code) else {
            return invalid("a function needs a `_fn/name` and a `_fn/code`".to_owned());
        };
        if subject.number() >= USER_NUMBER_FIRST && !is_function_name(&name) {
            return invalid(format!(
                "`{name}` cannot name a function: it is taken by the language, or is no symbol"
            ));
        }
        match language(subject, after)? {
            None => {}
            Some(it) if it == DATALOG => {
                if !after.value_list(subject, predicate::FN_PARAMS)?.is_empty() {
                    return invalid(format!("`{name}` has rules, and so no `_fn/params`"));
                }
                // Whether its text is rules, who knows queries tells.
                continue;
            }
            Some(it) => return invalid(format!("there is no language `{it}`")),
        }
        let Some(StoredFunction { params, .. }) = schema.function(&name) else {
            return invalid(format!("the parameters of `{name}` are no array of names"));
        };
        if let Err(error) = Function::compile(&code, &params, &**schema, policy.queries()) {
            let told = error.told_by(|name| may_name_function(name, change))?;
            return invalid(format!("function `{name}`: {told}"));
        }
    }
    Ok(())
}

/// Whether a function may be named to the author: they see it, or changed it.
fn may_name_function(name: &str, change: &PolicyChange<'_>) -> Result<bool, Error> {
    let o = ValueRef::String(name);
    if !change.sight.subject_list(predicate::FN_NAME, o)?.is_empty() {
        return Ok(true);
    }
    let found = change.after.0.subject_list(predicate::FN_NAME, o)?;
    Ok(found.into_iter().any(|function| change.is_sent(function)))
}

/// Point 2, for the functions of specs: they have no parameters.
fn check_specs(
    touched: &BTreeSet<SubjectId>,
    functions_change: bool,
    after: &dyn Facts,
    schema: &Schema,
) -> Result<(), Error> {
    let of_predicates = schema
        .predicates()
        .flat_map(|it| [(it.id.subject(), &it.spec), (it.id.subject(), &it.tx_spec)]);
    let of_collections = schema.collections().filter_map(|it| {
        let s = SubjectId::new(collection::COLLECTION, u64::try_from(it.id.raw()).ok()?)?;
        Some((s, &it.spec))
    });
    for (subject, spec) in of_predicates.chain(of_collections) {
        if !functions_change && !touched.contains(&subject) {
            continue;
        }
        for function in spec.iter().flat_map(|it| &it.functions) {
            // The one that was written is the one that is told.
            let told = if touched.contains(&subject) {
                subject
            } else {
                *function
            };
            if language(*function, after)?.is_some() {
                let why = "a spec uses no stored rules".to_owned();
                return Err(Error::InvalidFunction { subject: told, why });
            }
            let params = after.value_list(*function, predicate::FN_PARAMS)?;
            let takes = |it: &Value| !matches!(it, Value::Json(json) if &**json == "[]");
            if params.first().is_some_and(takes) {
                let why = "a spec uses no function with parameters".to_owned();
                return Err(Error::InvalidFunction { subject: told, why });
            }
        }
    }
    Ok(())
}

/// Point 2, for one rule.
fn check_rule(subject: SubjectId, after: &dyn Facts, schema: &Schema) -> Result<(), Error> {
    if subject == ROOT_RULE {
        return Ok(());
    }
    let named = text(subject, predicate::RULE_ID, after)?;
    let Some(named) = named else {
        return Err(Error::InvalidRule {
            subject,
            why: "a rule needs a `_rule/id`".to_owned(),
        });
    };
    let invalid = |why: String| {
        Err(Error::InvalidRule {
            subject,
            why: format!("rule `{named}` {why}"),
        })
    };
    let Some(of) = text(subject, predicate::RULE_COLLECTION, after)? else {
        return invalid("needs a `_rule/collection`".to_owned());
    };
    let target = match &*of {
        "*" => None,
        name => match schema.collection_named(name) {
            Some(it) => Some(it.id),
            None => return invalid(format!("is about `{of}`, which is no collection")),
        },
    };
    let predicates = after.value_list(subject, predicate::RULE_PREDICATES)?;
    let default = after.value_list(subject, predicate::RULE_COLLECTION_DEFAULT)?;
    let is_default = default.first() == Some(&Value::Boolean(true));
    if is_default != predicates.is_empty() {
        return invalid(
            "needs `_rule/predicates` or `collectionDefault: true`, and not both".to_owned(),
        );
    }
    for it in &predicates {
        let Value::String(name) = it else { continue };
        match schema.predicate_named(name) {
            _ if &**name == "*" => {}
            None => return invalid(format!("is about `{name}`, which is no predicate")),
            Some(it) if target.is_some_and(|target| target != it.collection) => {
                return invalid(format!("is about `{name}`, which is not of `{of}`"));
            }
            Some(it) if it.sealed => return invalid(format!("is about `{name}`, which is sealed")),
            Some(_) => {}
        }
    }
    if after.value_list(subject, predicate::RULE_OPS)?.is_empty() {
        return invalid("needs `_rule/ops`".to_owned());
    }
    let functions = after.value_list(subject, predicate::RULE_FNS)?;
    if functions.is_empty() {
        return invalid("needs `_rule/fns`".to_owned());
    }
    for function in functions {
        let Value::Ref(function) = function else {
            continue;
        };
        let params = after.value_list(function, predicate::FN_PARAMS)?;
        let takes = |it: &Value| !matches!(it, Value::Json(json) if &**json == "[]");
        if params.first().is_some_and(takes) {
            return invalid("uses a function with parameters".to_owned());
        }
        if language(function, after)?.is_some() {
            return invalid("uses stored rules, which are no function".to_owned());
        }
    }
    Ok(())
}

/// The language of a function's text, if it is another than that of rules.
fn language(function: SubjectId, facts: &dyn Facts) -> Result<Option<String>, Error> {
    let values = facts.value_list(function, predicate::FN_LANGUAGE)?;
    match values.first() {
        Some(Value::Ref(tag)) => Ok(Some(tag_name(facts, *tag)?.unwrap_or_default())),
        _ => Ok(None),
    }
}

fn all(c: CollectionId, facts: &dyn Facts) -> Result<BTreeSet<SubjectId>, Error> {
    let mut subjects = BTreeSet::new();
    facts.collection(c, Direction::Ascending, None, &mut |fact| {
        subjects.insert(fact.s);
        ControlFlow::Continue(())
    })?;
    Ok(subjects)
}

fn is_referred_to(s: SubjectId, facts: &dyn Facts) -> Result<bool, Error> {
    let mut found = false;
    facts.referrers(s, &mut |_, _| {
        found = true;
        ControlFlow::Break(())
    })?;
    Ok(found)
}

fn text(s: SubjectId, p: PredicateId, facts: &dyn Facts) -> Result<Option<Arc<str>>, Error> {
    Ok(facts
        .value_list(s, p)?
        .into_iter()
        .find_map(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        }))
}
