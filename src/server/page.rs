//! The pages that a person sees who signs in for a device: HTML without a script, and with every text escaped.
//!
//! 1. What a person or a client typed reaches the page as text, never as markup.
//! 2. The page loads nothing, runs nothing, is shown in no frame, sends its form here alone and leads nowhere: there
//!    is no address in it that a request could choose.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::devices::Shown;

/// What the pages look like. Its hash stands in [`POLICY`], and a test holds the two together.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;\
color:#1b1f24;background:#fff}h1{font-size:1.3rem}label{display:block;margin:.8rem 0 .2rem}\
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #8c959f;border-radius:.3rem}\
button{font:inherit;margin:1.2rem .6rem 0 0;padding:.5rem 1.2rem;border:1px solid #1b1f24;border-radius:.3rem;\
background:#1b1f24;color:#fff}button.no{background:#fff;color:#1b1f24}dt{font-weight:600}dd{margin:0 0 .4rem}\
.wrong{border-left:.3rem solid #b3261e;padding-left:.7rem}.banner{white-space:pre-wrap;border:1px solid #8c959f;\
border-radius:.3rem;padding:.6rem}";

const POLICY: &str = "default-src 'none'; style-src 'sha256-STYLE'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// Asks for the code that the device shows.
pub(super) fn ask_code(status: StatusCode, wrong: Option<&str>) -> Response {
    let wrong = wrong.map_or(String::new(), wrong_line);
    let body = format!(
        "<h1>Sign in for a device</h1>{wrong}\
         <form method=\"post\" action=\"/device\">\
         <label for=\"user_code\">The code that it shows</label>\
         <input id=\"user_code\" name=\"user_code\" autocomplete=\"off\" autocapitalize=\"characters\" \
         spellcheck=\"false\" required autofocus>\
         <button type=\"submit\">Continue</button></form>"
    );
    page(status, &body)
}

/// Shows which device asks, and asks who signs in for it.
pub(super) fn ask_person(
    status: StatusCode,
    shown: &Shown,
    banner: Option<&str>,
    wrong: Option<&str>,
) -> Response {
    let banner = banner.map_or(String::new(), |text| {
        format!("<p class=\"banner\">{}</p>", escaped(text))
    });
    let wrong = wrong.map_or(String::new(), wrong_line);
    let from = shown
        .source
        .address
        .map_or("this machine".to_owned(), |it| it.to_string());
    let code = escaped(&shown.user_code);
    let body = format!(
        "<h1>Sign in for a device</h1>{banner}{wrong}\
         <dl><dt>Code</dt><dd>{code}</dd><dt>Asked from</dt><dd>{from}</dd>\
         <dt>Database</dt><dd>{database}</dd></dl>\
         <p>It will act as you. Go on only if you started this yourself and it shows this code.</p>\
         <form method=\"post\" action=\"/device\">\
         <input type=\"hidden\" name=\"user_code\" value=\"{code}\">\
         <label for=\"username\">User</label>\
         <input id=\"username\" name=\"username\" autocomplete=\"username\" spellcheck=\"false\" autofocus>\
         <label for=\"password\">Password</label>\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\">\
         <button type=\"submit\" name=\"decision\" value=\"allow\">Sign in</button>\
         <button type=\"submit\" name=\"decision\" value=\"deny\" class=\"no\">Refuse</button></form>",
        from = escaped(&from),
        database = escaped(&shown.database),
    );
    page(status, &body)
}

/// The last page.
pub(super) fn done(title: &str, text: &str) -> Response {
    let body = format!("<h1>{}</h1><p>{}</p>", escaped(title), escaped(text));
    page(StatusCode::OK, &body)
}

fn wrong_line(text: &str) -> String {
    format!("<p class=\"wrong\" role=\"alert\">{}</p>", escaped(text))
}

fn page(status: StatusCode, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Solon</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        // `no-referrer` would have a browser say that its form is from `null`.
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::try_from(policy()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn policy() -> String {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    POLICY.replace("STYLE", &hash)
}

/// A text as it stands between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_text() {
        assert_eq!(
            escaped("<b a=\"x\" b='y'>&"),
            "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;"
        );
    }

    #[test]
    fn a_page_runs_nothing_and_leads_nowhere() {
        let response = ask_code(StatusCode::OK, Some("<script>"));
        let policy = response.headers().get(CONTENT_SECURITY_POLICY).unwrap();
        let policy = policy.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(!policy.contains("STYLE"));
    }
}
