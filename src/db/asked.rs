//! One request of any kind, answered.

use super::error::Error;
use super::sight::Sight;
use super::{block, history};
use crate::model::T;
use crate::query::{Asked, Counts, Json, Request, Source};

/// A basis, and what is seen at it.
type Open<'a> = (T, Source<'a>);

/// Answers a request. Tells the newest block that the answer includes too.
///
/// # Errors
/// `Invalid` for what there is not; `Limit` past a bound on the answer or the work.
pub(super) fn answer(request: &Request, sight: &Sight<'_>) -> Result<(Json, T), Error> {
    match request {
        Request::Query(query) => {
            let basis = sight.basis(query.when())?;
            let asked = Asked {
                now_ms: sight.now_ms(),
                counts: if sight.fuel().is_some() {
                    Counts::Told
                } else {
                    Counts::Hidden
                },
            };
            let mut bases = vec![basis];
            for moment in query.moments() {
                let of = sight.basis(Some(moment.when));
                bases.push(of.map_err(|error| error.with_place(Some(&moment.at)))?);
            }
            let mut distinct = bases.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let json = open(&distinct, Vec::new(), sight, &mut |sources| {
                let source = |basis: &T| {
                    let mut open = sources.iter();
                    open.find(|(of, _)| of == basis).map(|(_, source)| *source)
                };
                let sources: Vec<Source<'_>> = bases.iter().filter_map(source).collect();
                let Some((source, moments)) = sources.split_first() else {
                    return Err(Error::internal("no state is open"));
                };
                Ok(query.run_at(*source, moments, asked, sight.budget())?)
            })?;
            Ok((json, basis))
        }
        Request::Block(query) => block::answer(query, sight),
        Request::History(query) => history::answer(query, sight),
    }
}

/// Opens each of some bases, and looks at all of them together.
fn open(
    bases: &[T],
    before: Vec<Open<'_>>,
    sight: &Sight<'_>,
    look: &mut dyn FnMut(&[Open<'_>]) -> Result<Json, Error>,
) -> Result<Json, Error> {
    let Some((basis, rest)) = bases.split_first() else {
        return look(&before);
    };
    sight.at(*basis, |facts, schema| {
        let mut all: Vec<Open<'_>> = before;
        all.push((*basis, Source { facts, schema }));
        open(rest, all, sight, look)
    })
}
