//! The first block of every database, made out of `schema/bootstrap.json`.
//!
//! This is the one place on the two lowest floors that reads JSON.

use std::collections::HashMap;

use serde::Deserialize;

use super::error::Error;
use crate::model::system::{
    FALSE_FUNCTION, ROOT_AUTH, ROOT_ROLE, ROOT_RULE, ROOT_SETTING, TRUE_FUNCTION, collection,
    predicate,
};
use crate::model::{CollectionId, Flake, Op, PredicateId, SubjectId, Value};

const TEXT: &str = include_str!("../../schema/bootstrap.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bootstrap {
    collections: Vec<CollectionRecord>,
    predicates: Vec<PredicateRecord>,
    tags: Vec<String>,
    functions: Vec<FunctionRecord>,
    rule: Named,
    role: Named,
    auth: Named,
    setting: Named,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CollectionRecord {
    id: u64,
    name: String,
    doc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one flag of the predicate"
)]
struct PredicateRecord {
    id: u32,
    name: String,
    r#type: String,
    doc: String,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    multi: bool,
    #[serde(default)]
    index: bool,
    #[serde(default)]
    upsert: bool,
    #[serde(default)]
    restrict_tag: bool,
    restrict_collection: Option<String>,
    /// For the reader of the file: code knows the sealed ones by their ids, and a test compares.
    #[serde(default)]
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "compared with the code by a test")
    )]
    sealed: bool,
    #[serde(default)]
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "compared with the code by a test")
    )]
    r#virtual: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionRecord {
    name: String,
    code: String,
    doc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: String,
    doc: Option<String>,
}

/// The flakes of the first block, in the order a commit has them.
///
/// # Errors
/// None for the file that is compiled in, which a test holds.
pub fn bootstrap() -> Result<Vec<Flake>, Error> {
    let file: Bootstrap = serde_json::from_str(TEXT).map_err(|error| broken(&error.to_string()))?;
    let mut flakes = Flakes::default();
    let mut tags = HashMap::new();
    for (number, id) in (0_u64..).zip(&file.tags) {
        let s = subject(collection::TAG, number)?;
        flakes.text(s, predicate::TAG_ID, id);
        tags.insert(id.as_str(), s);
    }
    let tag = |id: &str| tags.get(id).copied().ok_or_else(|| broken(id));
    for record in &file.collections {
        let s = subject(collection::COLLECTION, record.id)?;
        flakes.text(s, predicate::COLLECTION_NAME, &record.name);
        flakes.text(s, predicate::COLLECTION_DOC, &record.doc);
    }
    for record in &file.predicates {
        let s = PredicateId(record.id).subject();
        flakes.text(s, predicate::PREDICATE_NAME, &record.name);
        flakes.text(s, predicate::PREDICATE_DOC, &record.doc);
        let value_type = tag(&format!("_predicate/type:{}", record.r#type))?;
        flakes.add(s, predicate::PREDICATE_TYPE, Value::Ref(value_type));
        for (p, is_set) in [
            (predicate::PREDICATE_UNIQUE, record.unique),
            (predicate::PREDICATE_MULTI, record.multi),
            (predicate::PREDICATE_INDEX, record.index),
            (predicate::PREDICATE_UPSERT, record.upsert),
            (predicate::PREDICATE_RESTRICT_TAG, record.restrict_tag),
        ] {
            if is_set {
                flakes.add(s, p, Value::Boolean(true));
            }
        }
        if let Some(restricted) = &record.restrict_collection {
            flakes.text(s, predicate::PREDICATE_RESTRICT_COLLECTION, restricted);
        }
    }
    for (s, record) in [TRUE_FUNCTION, FALSE_FUNCTION]
        .into_iter()
        .zip(&file.functions)
    {
        flakes.text(s, predicate::FN_NAME, &record.name);
        flakes.text(s, predicate::FN_CODE, &record.code);
        flakes.text(s, predicate::FN_DOC, &record.doc);
    }
    flakes.named(
        ROOT_RULE,
        predicate::RULE_ID,
        predicate::RULE_DOC,
        &file.rule,
    );
    flakes.text(ROOT_RULE, predicate::RULE_COLLECTION, "*");
    flakes.text(ROOT_RULE, predicate::RULE_PREDICATES, "*");
    flakes.add(ROOT_RULE, predicate::RULE_FNS, Value::Ref(TRUE_FUNCTION));
    flakes.add(
        ROOT_RULE,
        predicate::RULE_OPS,
        Value::Ref(tag("_rule/ops:all")?),
    );
    flakes.named(
        ROOT_ROLE,
        predicate::ROLE_ID,
        predicate::ROLE_DOC,
        &file.role,
    );
    flakes.add(ROOT_ROLE, predicate::ROLE_RULES, Value::Ref(ROOT_RULE));
    flakes.named(
        ROOT_AUTH,
        predicate::AUTH_ID,
        predicate::AUTH_DOC,
        &file.auth,
    );
    flakes.add(ROOT_AUTH, predicate::AUTH_ROLES, Value::Ref(ROOT_ROLE));
    flakes.named(
        ROOT_SETTING,
        predicate::SETTING_ID,
        predicate::SETTING_DOC,
        &file.setting,
    );
    Ok(flakes.sorted())
}

/// The names in a JSON array of strings, as `_fn/params` keeps them.
pub(super) fn names(json: &str) -> Option<Vec<String>> {
    serde_json::from_str(json).ok()
}

#[derive(Default)]
struct Flakes(Vec<Flake>);

impl Flakes {
    fn add(&mut self, s: SubjectId, p: PredicateId, o: Value) {
        self.0.push(Flake {
            s,
            p,
            o,
            op: Op::Assert,
        });
    }

    fn text(&mut self, s: SubjectId, p: PredicateId, text: &str) {
        self.add(s, p, Value::string(text));
    }

    fn named(&mut self, s: SubjectId, id: PredicateId, doc: PredicateId, named: &Named) {
        self.text(s, id, &named.id);
        if let Some(text) = &named.doc {
            self.text(s, doc, text);
        }
    }

    fn sorted(mut self) -> Vec<Flake> {
        self.0.sort();
        self.0
    }
}

fn subject(c: CollectionId, number: u64) -> Result<SubjectId, Error> {
    SubjectId::new(c, number).ok_or_else(|| broken("a number"))
}

fn broken(what: &str) -> Error {
    Error::Bootstrap(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Empty, Overlay, T};
    use crate::schema::load::Schema;

    #[test]
    fn the_bootstrap_is_a_schema_and_agrees_with_the_ids_in_code() {
        let mut facts = Overlay::new(Empty);
        facts.apply(T(1), &bootstrap().unwrap());
        let schema = Schema::load(&facts).unwrap();
        let file: Bootstrap = serde_json::from_str(TEXT).unwrap();
        for record in &file.predicates {
            let loaded = schema.predicate_named(&record.name).unwrap();
            assert_eq!(loaded.id, PredicateId(record.id));
            assert_eq!(loaded.sealed, record.sealed, "{}", record.name);
            assert_eq!(loaded.is_virtual, record.r#virtual, "{}", record.name);
        }
        for (name, id) in [
            (
                "_predicate/restrictCollection",
                predicate::PREDICATE_RESTRICT_COLLECTION,
            ),
            ("_predicate/restrictTag", predicate::PREDICATE_RESTRICT_TAG),
            ("_tag/id", predicate::TAG_ID),
            ("_collection/name", predicate::COLLECTION_NAME),
            ("_user/auth", predicate::USER_AUTH),
            ("_auth/id", predicate::AUTH_ID),
            ("_auth/roles", predicate::AUTH_ROLES),
            ("_auth/validAfter", predicate::AUTH_VALID_AFTER),
            ("_setting/validAfter", predicate::SETTING_VALID_AFTER),
            ("_role/rules", predicate::ROLE_RULES),
            ("_rule/effect", predicate::RULE_EFFECT),
            (
                "_rule/collectionDefault",
                predicate::RULE_COLLECTION_DEFAULT,
            ),
            ("_rule/errorMessage", predicate::RULE_ERROR_MESSAGE),
            ("_fn/params", predicate::FN_PARAMS),
            ("_fn/language", predicate::FN_LANGUAGE),
            ("_setting/anonymous", predicate::SETTING_ANONYMOUS),
            (
                "_setting/tokenMaxSeconds",
                predicate::SETTING_TOKEN_MAX_SECONDS,
            ),
            ("_token/revoked", predicate::TOKEN_REVOKED),
            ("_tx/auth", predicate::TX_AUTH),
            ("_tx/authority", predicate::TX_AUTHORITY),
            ("_tx/nonce", predicate::TX_NONCE),
            ("_tx/tx", predicate::TX_TX),
            ("_tx/sig", predicate::TX_SIG),
            ("_auth/authority", predicate::AUTH_AUTHORITY),
            ("_auth/publicKey", predicate::AUTH_PUBLIC_KEY),
        ] {
            assert_eq!(schema.predicate_named(name).unwrap().id, id, "{name}");
        }
        for (name, id) in [
            ("_tag", collection::TAG),
            ("_auth", collection::AUTH),
            ("_token", collection::TOKEN),
            ("_tx", CollectionId::TX),
            ("_block", CollectionId::TX),
        ] {
            assert_eq!(schema.collection_named(name).unwrap().id, id, "{name}");
        }
    }
}
