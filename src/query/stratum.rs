//! Which rules ask for which: what is to be known before what.
//!
//! 1. Rules that ask for one another are one component, and are known all at once.
//! 2. What a `not`, an `exists`, an `optional` or an aggregate asks for is known whole before, so it cannot be in a
//!    component with who asks: there would be no one answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::error::Error;
use super::rule::{Asks, Rule};
use super::select::invalid;

/// Parts of a graph in which each leads to each, those that others lead to first.
///
/// `leads` has, for each place, the places it leads to; what is no place is passed over.
pub(super) fn components(leads: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        leads,
        seen: vec![None; leads.len()],
        open: Vec::new(),
        is_open: vec![false; leads.len()],
        count: 0,
        found: Vec::new(),
    };
    for start in 0..leads.len() {
        search.visit(start);
    }
    search.found
}

/// Tarjan's, without a call for each place: a graph may be deeper than the stack.
struct Search<'l> {
    leads: &'l [Vec<usize>],
    /// When a place was come to, and the earliest that it leads back to; a place that is done leads back to none.
    seen: Vec<Option<(usize, usize)>>,
    open: Vec<usize>,
    is_open: Vec<bool>,
    count: usize,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, start: usize) {
        if !self.is_new(start) {
            return;
        }
        // Each place on the way, and how many of those it leads to have been looked at.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        self.begin(start);
        while let Some((at, looked)) = way.last_mut() {
            let at = *at;
            let next = self.leads.get(at).and_then(|to| to.get(*looked)).copied();
            *looked = looked.saturating_add(1);
            match next {
                Some(to) if self.is_new(to) => {
                    self.begin(to);
                    way.push((to, 0));
                }
                Some(to) => {
                    if self.is_open.get(to) == Some(&true) {
                        let came = self.came(to);
                        self.lower(at, came);
                    }
                }
                None => {
                    way.pop();
                    let (came, low) = self.seen.get(at).copied().flatten().unwrap_or_default();
                    if let Some((above, _)) = way.last() {
                        self.lower(*above, low);
                    }
                    if came == low {
                        let from = self.open.iter().position(|it| *it == at);
                        let mut whole = self.open.split_off(from.unwrap_or(self.open.len()));
                        whole.sort_unstable();
                        for it in &whole {
                            self.set_open(*it, false);
                        }
                        self.found.push(whole);
                    }
                }
            }
        }
    }

    fn is_new(&self, at: usize) -> bool {
        matches!(self.seen.get(at), Some(None))
    }

    fn begin(&mut self, at: usize) {
        if let Some(seen) = self.seen.get_mut(at) {
            *seen = Some((self.count, self.count));
        }
        self.count = self.count.saturating_add(1);
        self.open.push(at);
        self.set_open(at, true);
    }

    fn set_open(&mut self, at: usize, is: bool) {
        if let Some(slot) = self.is_open.get_mut(at) {
            *slot = is;
        }
    }

    fn came(&self, at: usize) -> usize {
        self.seen
            .get(at)
            .copied()
            .flatten()
            .map_or(usize::MAX, |it| it.0)
    }

    fn lower(&mut self, at: usize, to: usize) {
        if let Some(Some((_, low))) = self.seen.get_mut(at) {
            *low = (*low).min(to);
        }
    }
}

/// Rules by their names, in an order in which they can be known.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    by_name: BTreeMap<String, Vec<Rule>>,
    /// The component of each name: what it asks for has a lower one, or the same.
    components: BTreeMap<String, usize>,
    /// Names that something asks for that must know them whole.
    whole: BTreeSet<String>,
}

impl Rules {
    /// Puts rules in order. Names that no rule has are passed over.
    ///
    /// # Errors
    /// `InvalidQuery` with the circle, if a rule would have to be known whole before itself.
    pub(super) fn new(all: Vec<Rule>) -> Result<Self, Error> {
        let mut rules: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
        for rule in all {
            rules.entry(rule.name.clone()).or_default().push(rule);
        }
        let names: Vec<&String> = rules.keys().collect();
        let place = |name: &String| names.binary_search(&name).ok();
        let leads: Vec<Vec<usize>> = rules
            .values()
            .map(|rules| {
                let asks = rules.iter().flat_map(Rule::asks);
                asks.filter_map(|(call, _)| place(&call.name)).collect()
            })
            .collect();
        let mut components_by_name = BTreeMap::new();
        for (number, members) in components(&leads).into_iter().enumerate() {
            for name in members.iter().filter_map(|at| names.get(*at)) {
                components_by_name.insert((*name).clone(), number);
            }
        }
        let mut whole = BTreeSet::new();
        for rule in rules.values().flatten() {
            for (call, how) in rule.asks() {
                let Asks::Whole(word) = how else {
                    continue;
                };
                let here = components_by_name.get(&rule.name);
                if here == components_by_name.get(&call.name) {
                    return Err(circle(&rules, rule, &call.name, word));
                }
                whole.insert(call.name.clone());
            }
        }
        Ok(Self {
            by_name: rules,
            components: components_by_name,
            whole,
        })
    }

    /// The rules of a name; none, if there is none.
    pub(super) fn of(&self, name: &str) -> &[Rule] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether two names are in one component.
    pub(super) fn are_together(&self, a: &str, b: &str) -> bool {
        self.components.get(a) == self.components.get(b)
    }

    /// Whether no other name is in the component of this one.
    pub(super) fn is_alone(&self, name: &str) -> bool {
        let mut others = self.components.keys().filter(|other| *other != name);
        !others.any(|other| self.are_together(other, name))
    }

    /// Names that are asked for whole on the way to one, in the order in which they can be known.
    pub(super) fn whole_below(&self, name: &str) -> Vec<String> {
        let mut reached = BTreeSet::from([name.to_owned()]);
        let mut queue = VecDeque::from([name]);
        while let Some(name) = queue.pop_front() {
            for (call, _) in self.of(name).iter().flat_map(Rule::asks) {
                if reached.insert(call.name.clone()) {
                    queue.push_back(&call.name);
                }
            }
        }
        reached.retain(|other| self.whole.contains(other) && other != name);
        let mut names: Vec<String> = reached.into_iter().collect();
        names.sort_by_key(|name| self.components.get(name).copied());
        names
    }
}

/// The circle by which a rule comes back to itself through what it needs whole.
fn circle(rules: &BTreeMap<String, Vec<Rule>>, from: &Rule, to: &str, word: &str) -> Error {
    // The shortest way back, by who came to whom.
    let mut came: BTreeMap<&str, (&str, Asks)> = BTreeMap::new();
    let mut queue = VecDeque::from([to]);
    while let Some(name) = queue.pop_front() {
        for (call, how) in rules.get(name).into_iter().flatten().flat_map(Rule::asks) {
            if call.name != to && !came.contains_key(call.name.as_str()) {
                came.insert(&call.name, (name, how));
                queue.push_back(&call.name);
            }
        }
    }
    let step = |how: Asks, name: &str| match how {
        Asks::Joins => name.to_owned(),
        Asks::Whole(word) => format!("{word} {name}"),
    };
    let mut back = Vec::new();
    let mut at = from.name.as_str();
    while at != to
        && let Some((before, how)) = came.get(at)
    {
        back.push(step(*how, at));
        at = before;
    }
    back.push(format!("{word} {to}"));
    back.push(from.name.clone());
    back.reverse();
    let why = format!(
        "rules go in a circle through what must be known before: `{}`",
        back.join(" → ")
    );
    invalid(from.stored.as_ref().unwrap_or(&from.at), &why)
}

#[cfg(test)]
mod tests {
    use super::components;

    #[test]
    fn components_are_those_that_lead_to_each_other_the_last_first() {
        for (leads, expected) in [
            (vec![], vec![]),
            (vec![vec![]], vec![vec![0]]),
            (vec![vec![0]], vec![vec![0]]),
            (
                vec![vec![1], vec![2], vec![]],
                vec![vec![2], vec![1], vec![0]],
            ),
            (vec![vec![1], vec![0], vec![1]], vec![vec![0, 1], vec![2]]),
            (
                vec![vec![1, 3], vec![2], vec![0], vec![4], vec![3, 5], vec![]],
                vec![vec![5], vec![3, 4], vec![0, 1, 2]],
            ),
        ] {
            assert_eq!(components(&leads), expected, "{leads:?}");
        }
    }
}
