//! A rule with a `union` as several rules, one for each arm.
//!
//! It says the same, and what the arms call is then a call of the rule: what is demanded of it is told, and what is new
//! in it is enough to go on from. Where an arm binds less than others that is used outside, or has more in it than what
//! joins and filters, the rule stays as it is.

use super::clause::Term;
use super::group::{Part, Union, Vars};
use super::mention::mentioned;
use super::rule::Rule;

/// Rules that one is written as, at the most: they are all gone through.
const RULES_OF_ONE_MAX: usize = 16;

/// The rules that a rule is written as.
pub(super) fn spread(rule: Rule) -> Vec<Rule> {
    let mut done = Vec::new();
    let mut left = vec![rule];
    while let Some(rule) = left.pop() {
        let so_far = done.len().saturating_add(left.len());
        let head: Vars = rule.head.iter().filter_map(Term::var).collect();
        let part = rule.body.parts.first();
        let next = part.and_then(|part| {
            let mut unions = part.unions.iter().enumerate();
            let fits = |union: &Union| {
                union.arms.len().saturating_add(so_far) <= RULES_OF_ONE_MAX
                    && may_be_spread(union, part, &head)
            };
            unions.find(|(_, union)| fits(union)).map(|(at, _)| at)
        });
        let Some(at) = next.filter(|_| rule.totals.is_empty()) else {
            done.push(rule);
            continue;
        };
        left.extend(each(&rule, at));
    }
    done
}

fn each(rule: &Rule, at: usize) -> Vec<Rule> {
    let mut rest = rule.body.parts.first().cloned().unwrap_or_default();
    let union = rest.unions.remove(at);
    let arms = union.arms.into_iter();
    // The last is taken up first, so that they stay in their order.
    let rules = arms.rev().map(|arm| {
        let mut rule = rule.clone();
        let mut part = rest.clone();
        for own in arm.parts {
            part.patterns.extend(own.patterns);
            part.calls.extend(own.calls);
            part.unions.extend(own.unions);
            part.binds.extend(own.binds);
            part.filters.extend(own.filters);
        }
        rule.body.parts = vec![part];
        rule
    });
    rules.collect()
}

fn may_be_spread(union: &Union, part: &Part, head: &Vars) -> bool {
    let mut rest = part.clone();
    rest.unions.retain(|other| other.at != union.at);
    let mut outside = mentioned(&rest);
    outside.extend(head);
    let shared: Vars = &union.scope.possible & &outside;
    union.arms.iter().all(|arm| {
        let is_plain = |own: &Part| {
            own.optionals.is_empty()
                && own.late_binds.is_empty()
                && own.tests.is_empty()
                && own.total.is_none()
        };
        arm.parts.len() == 1
            && arm.parts.iter().all(is_plain)
            && shared.is_subset(&arm.scope.certain)
    })
}
