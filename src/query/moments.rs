//! The times that the clauses of a query have of their own.

use super::error::Error;
use super::group::Group;
use super::when::Moment;
use crate::base::limits::QUERY_MOMENTS_MAX;

/// Each of them once, in the order in which they stand.
///
/// # Errors
/// `Limit` past [`QUERY_MOMENTS_MAX`].
pub(super) fn moments<'g>(
    groups: impl IntoIterator<Item = &'g Group>,
) -> Result<Vec<Moment>, Error> {
    let mut moments: Vec<Moment> = Vec::new();
    let mut one_more = None;
    for group in groups {
        group.each_pattern(&mut |clause| {
            let Some(moment) = clause.moment() else {
                return;
            };
            if moments.iter().any(|it| it.when == moment.when) {
                return;
            }
            if moments.len() < QUERY_MOMENTS_MAX {
                moments.push(moment);
            } else {
                one_more.get_or_insert(moment.at);
            }
        });
    }
    match one_more {
        None => Ok(moments),
        Some(at) => Err(Error::Limit {
            at,
            what: "the times that clauses have of their own",
            max: QUERY_MOMENTS_MAX,
        }),
    }
}
