//! Forms (`application/x-www-form-urlencoded`), as browsers and OAuth clients send them.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

use super::body;
use super::problem::Refusal;
use crate::base::limits::FORM_BYTES_MAX;

/// The fields of a form. Each is there once at the most.
pub(super) struct Form(Vec<(String, String)>);

/// Whether a body is a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It is said to be one, or nothing is said: some OAuth clients poll without a content type.
    Form,
    /// It is said to be JSON.
    Json,
    /// It is said to be something else.
    Other,
}

/// What a request says its body is.
pub(super) fn shape(headers: &HeaderMap) -> Shape {
    if body::is_json(headers) {
        return Shape::Json;
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (None, _) => Shape::Form,
        (Some(only), None) => {
            let essence = only.to_str().ok().and_then(|it| it.split(';').next());
            let is_form = essence.is_some_and(|it| {
                it.trim()
                    .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
            if is_form { Shape::Form } else { Shape::Other }
        }
        (Some(_), Some(_)) => Shape::Other,
    }
}

impl Form {
    /// Reads a form; `None` if a field is there twice.
    ///
    /// # Errors
    /// As [`body::read`]; `NotUtf8`.
    pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Option<Self>, Refusal> {
        let bytes = body::read(headers, body, FORM_BYTES_MAX).await?;
        let text = String::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?;
        Ok(Self::parse(&text))
    }

    /// The fields in a text, a query or a body; `None` if one is there twice.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if fields.iter().any(|(known, _)| *known == name) {
                return None;
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Some(Self(fields))
    }

    /// A field's value, if it is there.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_field_is_there_once() {
        let form = Form::parse("a=1&b=%C3%A4+x&c").unwrap();
        assert_eq!(form.field("a"), Some("1"));
        assert_eq!(form.field("b"), Some("ä x"));
        assert_eq!(form.field("c"), Some(""));
        assert_eq!(form.field("d"), None);
        assert!(Form::parse("a=1&a=2").is_none());
    }

    #[test]
    fn what_is_said_to_be_a_form_or_nothing_is_one() {
        for (said, expected) in [
            (vec![], Shape::Form),
            (vec!["application/x-www-form-urlencoded"], Shape::Form),
            (
                vec!["Application/X-WWW-Form-Urlencoded; charset=utf-8"],
                Shape::Form,
            ),
            (vec!["application/json"], Shape::Json),
            (vec!["text/plain"], Shape::Other),
            (vec!["application/json", "application/json"], Shape::Other),
        ] {
            let mut headers = HeaderMap::new();
            for value in &said {
                headers.append(CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(shape(&headers), expected, "{said:?}");
        }
    }
}
