//! What went wrong with a request, as `application/problem+json` (RFC 9457) has it.
//!
//! Beside the standard's five members stand the three that our clients read: `error`, the stable code; `message`,
//! which is `detail`; and `pointer`, the place in the request, where there is one.

use serde::Serialize;

/// A problem.
#[derive(Clone, Debug, Serialize)]
pub struct Problem<'a> {
    /// A URN made of the code: one for each kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words, the same for each occurrence.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence, in prose.
    pub detail: &'a str,
    /// A URN made of the request's id.
    pub instance: String,
    /// The stable code.
    pub error: &'a str,
    /// The same as `detail`.
    pub message: &'a str,
    /// Where in the request: a JSON pointer, or a line and a column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<&'a str>,
}

impl<'a> Problem<'a> {
    /// A problem with `code`, of the request `request_id`.
    pub fn new(
        status: u16,
        title: &'a str,
        code: &'a str,
        message: &'a str,
        pointer: Option<&'a str>,
        request_id: &str,
    ) -> Self {
        Self {
            kind: format!("urn:solon:error:{code}"),
            title,
            status,
            detail: message,
            instance: format!("urn:solon:request:{request_id}"),
            error: code,
            message,
            pointer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_that_were_promised() {
        let problem = Problem::new(400, "Invalid", "db/invalid-tx", "no", Some("/0/a"), "r-1");
        assert_eq!(
            serde_json::to_value(&problem).unwrap(),
            serde_json::json!({
                "type": "urn:solon:error:db/invalid-tx",
                "title": "Invalid",
                "status": 400,
                "detail": "no",
                "instance": "urn:solon:request:r-1",
                "error": "db/invalid-tx",
                "message": "no",
                "pointer": "/0/a",
            })
        );
    }
}
