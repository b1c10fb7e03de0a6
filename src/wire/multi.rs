//! The answers to a multi-query: `{NAME: answer, .., "errors"?: {NAME: problem, ..}}`.
//!
//! A problem is `{"status", "error", "message", "pointer"?}`: what a request with that query alone would be answered
//! with, but that `pointer` is a place in the whole request.

use serde::Serialize;

/// Why one query of several has no answer.
#[derive(Clone, Debug, Serialize)]
pub struct QueryProblem<'a> {
    /// The HTTP status that the query alone would have.
    pub status: u16,
    /// The stable code.
    pub error: &'a str,
    /// What is wrong, in prose.
    pub message: &'a str,
    /// Where in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<&'a str>,
}

/// The body that tells what came of each query; an answer is JSON text.
pub fn multi_body<'a>(
    queries: impl Iterator<Item = (&'a str, Result<&'a str, QueryProblem<'a>>)>,
) -> String {
    let mut answers = Vec::new();
    let mut errors = Vec::new();
    for (name, told) in queries {
        match told {
            Ok(answer) => answers.push(member(name, answer)),
            Err(problem) => errors.push(member(name, &json(&problem))),
        }
    }
    if !errors.is_empty() {
        answers.push(member("errors", &object(&errors)));
    }
    object(&answers)
}

fn object(members: &[String]) -> String {
    format!("{{{}}}", members.join(","))
}

fn member(name: &str, value: &str) -> String {
    format!("{}:{value}", json(&name))
}

/// Strings and numbers always serialize.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stand_under_their_names_and_errors_under_theirs() {
        let problem = QueryProblem {
            status: 400,
            error: "db/invalid-query",
            message: "no",
            pointer: Some("/b"),
        };
        let told = [("a\"", Ok("[1]")), ("b", Err(problem)), ("c", Ok("null"))];
        assert_eq!(
            multi_body(told.into_iter()),
            concat!(
                r#"{"a\"":[1],"c":null,"errors":{"b":{"status":400,"error":"db/invalid-query","#,
                r#""message":"no","pointer":"/b"}}}"#
            )
        );
        let told = [("a", Ok("{}"))];
        assert_eq!(multi_body(told.into_iter()), r#"{"a":{}}"#);
    }
}
