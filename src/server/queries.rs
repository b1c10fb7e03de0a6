//! Queries of every kind, and what several of them come to.
//!
//! Several that were all answered are a 200, some of several a 207; where none was, the status is the highest of theirs.

use super::answered::Answered;
use super::problem::{Refusal, status_of_many};
use crate::db::{Answer, Answers, Error, MultiAnswer, Session};
use crate::wire::multi_body;

/// Answers what may be one query of any kind or several.
pub(super) fn ask(session: &Session, text: &str) -> Result<Answered, Refusal> {
    let auth = session.auth().raw();
    match session.ask(text).map_err(Refusal::Db)? {
        Answers::One(one) => answer(auth, Ok(one)),
        Answers::Many(many) => Ok(told(auth, many)),
    }
}

/// Answers several.
pub(super) fn multi(session: &Session, text: &str) -> Result<Answered, Refusal> {
    let many = session.multi_query(text).map_err(Refusal::Db)?;
    Ok(told(session.auth().raw(), many))
}

/// One answer.
pub(super) fn answer(auth: i64, answer: Result<Answer, Error>) -> Result<Answered, Refusal> {
    let Answer { body, block, fuel } = answer.map_err(Refusal::Db)?;
    Ok(Answered {
        auth,
        body,
        block: Some(block),
        fuel,
        ..Answered::default()
    })
}

fn told(auth: i64, many: MultiAnswer) -> Answered {
    let MultiAnswer {
        answers,
        block,
        fuel,
    } = many;
    let told: Vec<(String, Result<String, Refusal>)> = answers
        .into_iter()
        .map(|(name, answer)| (name, answer.map_err(Refusal::Db)))
        .collect();
    let body = multi_body(told.iter().map(|(name, answer)| {
        let answer = answer.as_ref().map(String::as_str);
        (name.as_str(), answer.map_err(Refusal::of_query))
    }));
    let count = told.len();
    let failed: Vec<Refusal> = told.into_iter().filter_map(|(_, it)| it.err()).collect();
    Answered {
        auth,
        body,
        block: Some(block),
        fuel,
        status: status_of_many(count, &failed),
        failed,
        ..Answered::default()
    }
}
