//! The variables that stand in a part of a group.

use super::group::{Part, Vars, What};

/// All of them, also those of what is nested.
pub(super) fn mentioned(part: &Part) -> Vars {
    let mut vars = Vars::new();
    for clause in &part.patterns {
        vars.extend(clause.vars());
    }
    for call in &part.calls {
        vars.extend(call.vars());
    }
    for bind in part.binds.iter().chain(&part.late_binds) {
        vars.insert(bind.var);
        if let What::Expression(it) = &bind.what {
            vars.extend(&it.vars);
        }
    }
    for filter in &part.filters {
        vars.extend(&filter.expression.vars);
    }
    for union in &part.unions {
        vars.extend(&union.scope.mentioned);
    }
    for optional in &part.optionals {
        vars.extend(&optional.scope.mentioned);
    }
    for test in &part.tests {
        vars.extend(&test.group.scope.mentioned);
    }
    vars
}
