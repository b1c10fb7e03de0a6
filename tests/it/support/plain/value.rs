//! Values of the plain model, how JSON becomes one, and what a function in a value gives.

use serde_json::Value as Json;
use solon::model::Value;

use super::schema::Kind;

/// A value, in a form that can be told apart by looking at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plain {
    Boolean(bool),
    Int(i64),
    Double(String),
    Instant(i64),
    Text(String),
    Uuid(String),
    Bytes(String),
    Json(String),
    Ref(i64),
}

/// A value of a receipt.
pub fn plain(value: &Value) -> Plain {
    match value {
        Value::Boolean(it) => Plain::Boolean(*it),
        Value::Int(it) => Plain::Int(*it),
        Value::Double(it) => Plain::Double(it.number().to_string()),
        Value::Instant(it) => Plain::Instant(*it),
        Value::String(it) => Plain::Text(it.to_string()),
        Value::Uuid(it) => {
            let hex = format!("{it:032x}");
            let parts = [
                &hex[..8],
                &hex[8..12],
                &hex[12..16],
                &hex[16..20],
                &hex[20..],
            ];
            Plain::Uuid(parts.join("-"))
        }
        Value::Bytes(it) => Plain::Bytes(hex(it)),
        Value::Ref(it) => Plain::Ref(it.raw()),
        Value::Json(it) => Plain::Json(it.to_string()),
        Value::Decimal(_) => panic!("the model has no decimals"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |it: u8| char::from_digit(it.into(), 16).unwrap();
    let pairs = bytes.iter().flat_map(|it| [digit(it >> 4), digit(it & 15)]);
    pairs.collect()
}

/// Some JSON as a scalar of a type; of the texts that mean an instant the one that is generated.
pub fn scalar(json: &Json, kind: Kind) -> Option<Plain> {
    let whole = || json.as_i64();
    match kind {
        Kind::Boolean => json.as_bool().map(Plain::Boolean),
        Kind::Int => whole()
            .filter(|it| i32::try_from(*it).is_ok())
            .map(Plain::Int),
        Kind::Long => match json {
            Json::String(text) => text.parse().ok().map(Plain::Int),
            _ => whole().map(Plain::Int),
        },
        Kind::Double => match json {
            Json::String(text) => text.parse::<f64>().ok(),
            _ => json.as_f64(),
        }
        .map(|it| Plain::Double(it.to_string())),
        Kind::Instant => match json {
            Json::String(text) => {
                (text == "2026-01-01T00:00:00Z").then_some(Plain::Instant(1_767_225_600_000))
            }
            // Of the years that have four digits.
            _ => whole()
                .filter(|it| *it < 253_402_300_800_000)
                .map(Plain::Instant),
        },
        Kind::Text => match json {
            Json::Null => None,
            Json::String(text) => Some(Plain::Text(text.clone())),
            other => Some(Plain::Text(other.to_string())),
        },
        Kind::Uuid => json
            .as_str()
            .filter(|text| text.len() == 36)
            .map(|text| Plain::Uuid(text.to_owned())),
        Kind::Bytes => json
            .as_str()
            .filter(|text| text.len() % 2 == 0 && text.chars().all(|c| c.is_ascii_hexdigit()))
            .map(|text| Plain::Bytes(text.to_owned())),
        Kind::Json => Some(Plain::Json(json.to_string())),
        Kind::Ref | Kind::Tag => None,
    }
}

/// The functions that are generated.
pub const FUNCTIONS: [&str; 14] = [
    "#(inc (?pO))",
    "#(inc (?pO))",
    "#(cas 1 2)",
    "#(cas nil 1)",
    "#(now)",
    "#(hash-set 1 2)",
    "#(hash-set 3)",
    "#(hash-set)",
    "#(str (?pO) \"!\")",
    "#(get (?s) \"item/size\")",
    "#(get [\"item/key\" \"k1\"] \"item/title\")",
    "#(?sid)",
    "#(/ 1 0)",
    "#(nope 1)",
];

/// Whether a value is a function.
pub fn is_function(json: &Json) -> bool {
    json.as_str()
        .is_some_and(|text| text.starts_with("#(") && text.ends_with(')'))
}

/// Reads a value.
pub type Get<'a> = dyn Fn(Result<i64, &str>, &str) -> Option<Plain> + 'a;

/// What a function reads.
pub struct Context<'a> {
    pub subject: i64,
    pub kind: Kind,
    pub is_multi: bool,
    /// The values that its author sees, before the transaction.
    pub previous: Vec<Plain>,
    pub now_ms: i64,
    /// The value of a predicate on the subject that an id, or a key of an item, names.
    pub get: &'a Get<'a>,
}

/// The values that a function gives, or the code by which it is refused.
pub fn evaluate(text: &str, context: &Context<'_>) -> Result<Vec<Json>, &'static str> {
    let fault = Err("db/invalid-fn");
    let previous = (!context.is_multi).then(|| context.previous.first());
    match text {
        "#(inc (?pO))" => match previous {
            Some(Some(Plain::Int(it) | Plain::Instant(it))) => Ok(vec![Json::from(it + 1)]),
            Some(Some(Plain::Ref(it))) if context.kind == Kind::Ref => Ok(vec![Json::from(it + 1)]),
            Some(Some(Plain::Double(it))) => Ok(vec![Json::from(it.parse::<f64>().unwrap() + 1.0)]),
            _ => fault,
        },
        "#(cas 1 2)" => match previous {
            Some(Some(Plain::Int(1))) => Ok(vec![Json::from(2)]),
            Some(Some(Plain::Double(it))) if it == "1" => Ok(vec![Json::from(2)]),
            Some(_) => Err("db/validation-error"),
            None => fault,
        },
        "#(cas nil 1)" => match previous {
            Some(None) => Ok(vec![Json::from(1)]),
            Some(Some(_)) => Err("db/validation-error"),
            None => fault,
        },
        "#(now)" => Ok(vec![Json::from(context.now_ms)]),
        "#(hash-set 1 2)" => Ok(vec![Json::from(1), Json::from(2)]),
        "#(hash-set 3)" => Ok(vec![Json::from(3)]),
        "#(hash-set)" => Ok(Vec::new()),
        "#(str (?pO) \"!\")" => match previous {
            Some(Some(value)) => Ok(vec![Json::from(format!("{}!", told(value)))]),
            _ => fault,
        },
        "#(get (?s) \"item/size\")" => {
            let found = (context.get)(Ok(context.subject), "item/size");
            Ok(found.iter().map(json).collect())
        }
        "#(get [\"item/key\" \"k1\"] \"item/title\")" => {
            let found = (context.get)(Err("k1"), "item/title");
            Ok(found.iter().map(json).collect())
        }
        "#(?sid)" => Ok(vec![Json::from(context.subject)]),
        "#(/ 1 0)" | "#(nope 1)" => fault,
        other => panic!("the model does not know {other}"),
    }
}

fn json(value: &Plain) -> Json {
    match value {
        Plain::Int(it) => Json::from(*it),
        Plain::Text(it) => Json::from(it.clone()),
        other => panic!("no function gives {other:?}"),
    }
}

/// A value as `str` joins it.
fn told(value: &Plain) -> String {
    match value {
        Plain::Boolean(it) => it.to_string(),
        Plain::Int(it) | Plain::Instant(it) | Plain::Ref(it) => it.to_string(),
        Plain::Double(it) if !it.contains('.') => format!("{it}.0"),
        Plain::Double(it)
        | Plain::Text(it)
        | Plain::Uuid(it)
        | Plain::Bytes(it)
        | Plain::Json(it) => it.clone(),
    }
}
