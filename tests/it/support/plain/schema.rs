//! The schema of the plain model, as a table; the transaction that makes it is made from the table.

use serde_json::{Value, json};

/// The type of a predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Int,
    Long,
    Double,
    Instant,
    Text,
    Uuid,
    Bytes,
    Json,
    Ref,
    Tag,
}

/// What a predicate means.
#[derive(Debug)]
pub struct Predicate {
    pub name: &'static str,
    pub kind: Kind,
    /// Of `multi unique upsert component restrictTag retractDuplicates deprecated`.
    pub flags: &'static [&'static str],
    /// The collection its refs are bound to.
    pub into: Option<&'static str>,
}

impl Predicate {
    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    pub fn of(&self) -> &'static str {
        self.name.split_once('/').unwrap().0
    }
}

const fn row(name: &'static str, kind: Kind, flags: &'static [&'static str]) -> Predicate {
    let into = None;
    Predicate {
        name,
        kind,
        flags,
        into,
    }
}

const fn into(mut row: Predicate, collection: &'static str) -> Predicate {
    row.into = Some(collection);
    row
}

/// The collections in which the model writes, with the number of each.
pub const COLLECTIONS: [(&str, i64); 5] = [
    ("item", 20),
    ("part", 21),
    ("box", 22),
    ("_user", 5),
    ("_tag", 3),
];

/// Every predicate that the model knows, in the order of their ids.
pub const PREDICATES: [Predicate; 38] = [
    row("_tag/id", Kind::Text, &["unique"]),
    row("_user/username", Kind::Text, &["unique"]),
    row("item/key", Kind::Text, &["unique"]),
    row("item/code", Kind::Text, &["unique", "upsert"]),
    row("item/number", Kind::Int, &["unique", "upsert"]),
    row("item/title", Kind::Text, &[]),
    row("item/size", Kind::Int, &[]),
    row("item/big", Kind::Long, &[]),
    row("item/ratio", Kind::Double, &[]),
    row("item/done", Kind::Boolean, &[]),
    row("item/at", Kind::Instant, &[]),
    row("item/uid", Kind::Uuid, &["unique"]),
    row("item/raw", Kind::Bytes, &[]),
    row("item/any", Kind::Json, &[]),
    row("item/nums", Kind::Int, &["multi"]),
    row("item/words", Kind::Text, &["multi", "retractDuplicates"]),
    row("item/again", Kind::Text, &["retractDuplicates"]),
    row("item/mood", Kind::Tag, &[]),
    row("item/state", Kind::Tag, &["restrictTag"]),
    row("item/labels", Kind::Tag, &["multi"]),
    row("item/next", Kind::Ref, &[]),
    row("item/peers", Kind::Ref, &["multi"]),
    into(row("item/box", Kind::Ref, &[]), "box"),
    row("item/only", Kind::Ref, &["unique"]),
    into(
        row("item/parts", Kind::Ref, &["multi", "component"]),
        "part",
    ),
    row("item/head", Kind::Ref, &["component"]),
    into(row("item/owner", Kind::Ref, &[]), "_user"),
    // Its spec asks for what is not negative.
    row("item/age", Kind::Int, &[]),
    // Its `txSpec` asks that as much comes as goes.
    row("item/money", Kind::Int, &[]),
    row("item/secret", Kind::Text, &[]),
    row("item/locked", Kind::Text, &[]),
    row("item/old", Kind::Text, &["deprecated"]),
    row("part/name", Kind::Text, &["unique"]),
    row("part/note", Kind::Text, &[]),
    row("part/subs", Kind::Ref, &["multi", "component"]),
    // The spec of its collection asks for a name.
    row("box/name", Kind::Text, &["unique"]),
    row("box/size", Kind::Int, &[]),
    row("_tx/reason", Kind::Text, &[]),
];

/// The predicate of this name.
pub fn predicate(name: &str) -> Option<&'static Predicate> {
    PREDICATES.iter().find(|it| it.name == name)
}

fn described(it: &Predicate) -> Value {
    let kind = match it.kind {
        Kind::Boolean => "boolean",
        Kind::Int => "int",
        Kind::Long => "long",
        Kind::Double => "double",
        Kind::Instant => "instant",
        Kind::Text => "string",
        Kind::Uuid => "uuid",
        Kind::Bytes => "bytes",
        Kind::Json => "json",
        Kind::Ref => "ref",
        Kind::Tag => "tag",
    };
    let mut item = json!({"_id": "_predicate", "name": it.name, "type": kind});
    for flag in it.flags {
        item[*flag] = json!(true);
    }
    if let Some(into) = it.into {
        item["restrictCollection"] = json!(into);
    }
    match it.name {
        "item/age" => item["spec"] = json!(["_fn$age"]),
        "item/money" => item["txSpec"] = json!(["_fn$money"]),
        _ => {}
    }
    item
}

fn rule(id: &str, collection: &str, predicates: &[&str], function: &Value, ops: &[&str]) -> Value {
    let mut rule =
        json!({"_id": "_rule", "id": id, "collection": collection, "ops": ops, "fns": [function]});
    if predicates.is_empty() {
        rule["collectionDefault"] = json!(true);
    } else {
        rule["predicates"] = json!(predicates);
    }
    rule
}

/// The transactions that make the schema, the tags of `item/state`, and `ann`: who sees and writes the items that she
/// owns but `item/secret` and `item/locked`, writes parts, sees boxes and users, and says reasons.
pub fn set_up() -> Vec<Value> {
    let own = PREDICATES
        .iter()
        .filter(|it| it.of() != "_tag" && it.of() != "_user");
    let mut schema = vec![
        json!({"_id": "_fn$age", "name": "old-enough", "code": "(>= (?o) 0)"}),
        json!({"_id": "_fn$money", "name": "balanced", "code": "(== (objT) (objF))"}),
        json!({"_id": "_fn$box", "name": "is-named", "code": "(not (nil? (get (?sid) \"box/name\")))"}),
        json!({"_id": "_collection", "name": "item"}),
        json!({"_id": "_collection", "name": "part"}),
        json!({"_id": "_collection", "name": "box", "spec": ["_fn$box"]}),
    ];
    schema.extend(own.map(described));
    let yes = json!(["_fn/name", "true"]);
    let no = json!(["_fn/name", "false"]);
    let owner =
        json!({"_id": "_fn", "name": "own", "code": "(== (get (?sid) \"item/owner\") (?user_id))"});
    let both = &["query", "transact"];
    let rules = json!([
        rule("items", "item", &[], &owner, both),
        rule("secret", "item", &["item/secret"], &no, &["query"]),
        rule("locked", "item", &["item/locked"], &no, &["transact"]),
        rule("parts", "part", &[], &yes, both),
        rule("boxes", "box", &[], &yes, &["query"]),
        rule("users", "_user", &["_user/username"], &yes, &["query"]),
        rule("reasons", "_tx", &["_tx/reason"], &yes, both),
    ]);
    // A function is read when the schema it names is there.
    let (functions, schema) = schema.split_at(3);
    let mut schema = schema.to_vec();
    schema.insert(0, functions[0].clone());
    schema.insert(1, functions[1].clone());
    for item in &mut schema {
        if item["name"] == "box" {
            item.as_object_mut().unwrap().remove("spec");
        }
    }
    vec![
        Value::Array(schema),
        json!([{"_id": ["_collection/name", "box"], "spec": [functions[2]]}]),
        json!([{"_id": "_auth$ann", "id": "ann", "roles": [{"_id": "_role", "id": "ann", "rules": rules}]},
            {"_id": "_user", "username": "ann", "auth": ["_auth$ann"]},
            {"_id": "_user", "username": "bob"}]),
        json!([{"_id": "_tag", "id": "item/state:open"}, {"_id": "_tag", "id": "item/state:shut"}]),
    ]
}
