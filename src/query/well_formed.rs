//! Whether the items of a group may stand in any order.
//!
//! What an optional binds, and nothing that joins or is around the group does, may be in no other optional and in no
//! union beside it: else which of them comes first would count.

use super::clause::Variables;
use super::error::Error;
use super::group::{Group, Part, Vars};
use super::select::invalid;

impl Group {
    /// Checks the group and those inside it; these variables are bound around it.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of an optional and the variable that it shares.
    pub(super) fn check(&self, given: &Vars, variables: &Variables) -> Result<(), Error> {
        let mut known = given.clone();
        for part in &self.parts {
            part.check(&known, variables)?;
            known.extend(part.possible());
        }
        Ok(())
    }
}

impl Part {
    fn check(&self, given: &Vars, variables: &Variables) -> Result<(), Error> {
        let known: Vars = self.joinable().union(given).copied().collect();
        for (index, optional) in self.optionals.iter().enumerate() {
            let own: Vars = optional
                .scope
                .possible
                .difference(&known)
                .copied()
                .collect();
            let others = self.optionals.iter().enumerate();
            for (_, other) in others.filter(|(other, _)| *other != index) {
                if let Some(var) = other.scope.mentioned.intersection(&own).next() {
                    let name = variables.name(*var);
                    let why =
                        format!("`{name}` stands in two optionals and is bound by nothing else");
                    return Err(invalid(&optional.at, &why));
                }
            }
            for union in &self.unions {
                if let Some(var) = union.scope.mentioned.intersection(&own).next() {
                    let name = variables.name(*var);
                    let why = format!("`{name}` stands in an optional and, unbound, in a `union`");
                    return Err(invalid(&optional.at, &why));
                }
            }
        }
        let of = |vars: &Vars, group: &Group| -> Vars {
            vars.intersection(&group.scope.mentioned).copied().collect()
        };
        for optional in &self.optionals {
            optional.check(&of(&known, optional), variables)?;
        }
        for union in &self.unions {
            for arm in &union.arms {
                // It is handed what it takes from around it, and what it binds in any case.
                let mut taken = union.inputs_of(arm);
                taken.extend(&arm.scope.certain);
                arm.check(&known.intersection(&taken).copied().collect(), variables)?;
            }
        }
        let all: Vars = known.union(&self.possible()).copied().collect();
        for test in &self.tests {
            test.group.check(&of(&all, &test.group), variables)?;
        }
        Ok(())
    }

    /// What it can bind.
    fn possible(&self) -> Vars {
        let mut vars = self.joinable();
        for optional in &self.optionals {
            vars.extend(&optional.scope.possible);
        }
        vars.extend(self.late_binds.iter().map(|bind| bind.var));
        vars.extend(self.total.iter().map(|total| total.var));
        vars
    }
}
