//! The ids of the system collections and predicates that code refers to.
//!
//! They stand in `schema/` as data; a test in room `schema` holds the two together.

use super::id::{CollectionId, PredicateId, SubjectId};

/// System collections.
pub mod collection {
    use super::CollectionId;

    /// `_predicate`
    pub const PREDICATE: CollectionId = CollectionId::constant(0);
    /// `_collection`
    pub const COLLECTION: CollectionId = CollectionId::constant(1);
    /// `_tag`
    pub const TAG: CollectionId = CollectionId::constant(3);
    /// `_fn`
    pub const FUNCTION: CollectionId = CollectionId::constant(4);
    /// `_user`
    pub const USER: CollectionId = CollectionId::constant(5);
    /// `_auth`
    pub const AUTH: CollectionId = CollectionId::constant(6);
    /// `_role`
    pub const ROLE: CollectionId = CollectionId::constant(7);
    /// `_rule`
    pub const RULE: CollectionId = CollectionId::constant(8);
    /// `_setting`
    pub const SETTING: CollectionId = CollectionId::constant(9);
    /// `_token`
    pub const TOKEN: CollectionId = CollectionId::constant(10);
    /// `_log`: the audit trail; none of it is a fact.
    pub const LOG: CollectionId = CollectionId::constant(11);
}

/// The language of a function whose text is rules of queries: the short name of a tag of `_fn/language`.
pub const DATALOG: &str = "datalog";

/// Whether what has a value of this predicate is found by looking at every block, for there is no index of it.
/// Whoever looks pays for that.
pub const fn is_walked(p: PredicateId) -> bool {
    use predicate::{BLOCK_HASH, BLOCK_PREV_HASH, TX_AUTH, TX_ID};
    matches!(p, BLOCK_HASH | BLOCK_PREV_HASH | TX_ID | TX_AUTH)
}

/// System predicates.
#[allow(
    missing_docs,
    reason = "each constant is the predicate its name spells"
)]
pub mod predicate {
    use super::PredicateId;

    pub const BLOCK_HASH: PredicateId = PredicateId(1);
    pub const BLOCK_PREV_HASH: PredicateId = PredicateId(2);
    pub const BLOCK_INSTANT: PredicateId = PredicateId(5);
    pub const BLOCK_NUMBER: PredicateId = PredicateId(6);

    pub const PREDICATE_NAME: PredicateId = PredicateId(10);
    pub const PREDICATE_DOC: PredicateId = PredicateId(11);
    pub const PREDICATE_TYPE: PredicateId = PredicateId(12);
    pub const PREDICATE_UNIQUE: PredicateId = PredicateId(13);
    pub const PREDICATE_MULTI: PredicateId = PredicateId(14);
    pub const PREDICATE_INDEX: PredicateId = PredicateId(15);
    pub const PREDICATE_UPSERT: PredicateId = PredicateId(16);
    pub const PREDICATE_COMPONENT: PredicateId = PredicateId(17);
    pub const PREDICATE_NO_HISTORY: PredicateId = PredicateId(18);
    pub const PREDICATE_RESTRICT_COLLECTION: PredicateId = PredicateId(19);
    pub const PREDICATE_SPEC: PredicateId = PredicateId(20);
    pub const PREDICATE_SPEC_DOC: PredicateId = PredicateId(23);
    pub const PREDICATE_TX_SPEC: PredicateId = PredicateId(24);
    pub const PREDICATE_TX_SPEC_DOC: PredicateId = PredicateId(25);
    pub const PREDICATE_RETRACT_DUPLICATES: PredicateId = PredicateId(29);
    pub const PREDICATE_DEPRECATED: PredicateId = PredicateId(22);
    pub const PREDICATE_RESTRICT_TAG: PredicateId = PredicateId(26);

    pub const TAG_ID: PredicateId = PredicateId(30);
    pub const TAG_DOC: PredicateId = PredicateId(31);

    pub const COLLECTION_NAME: PredicateId = PredicateId(40);
    pub const COLLECTION_DOC: PredicateId = PredicateId(41);
    pub const COLLECTION_VERSION: PredicateId = PredicateId(42);
    pub const COLLECTION_SPEC: PredicateId = PredicateId(43);
    pub const COLLECTION_SPEC_DOC: PredicateId = PredicateId(44);

    pub const USER_USERNAME: PredicateId = PredicateId(50);
    pub const USER_AUTH: PredicateId = PredicateId(51);
    pub const USER_DOC: PredicateId = PredicateId(53);

    pub const AUTH_ID: PredicateId = PredicateId(60);
    pub const AUTH_PASSWORD: PredicateId = PredicateId(61);
    pub const AUTH_SALT: PredicateId = PredicateId(62);
    pub const AUTH_ROLES: PredicateId = PredicateId(65);
    pub const AUTH_DOC: PredicateId = PredicateId(66);
    pub const AUTH_TYPE: PredicateId = PredicateId(67);
    pub const AUTH_AUTHORITY: PredicateId = PredicateId(68);
    pub const AUTH_FUEL: PredicateId = PredicateId(69);

    pub const ROLE_ID: PredicateId = PredicateId(70);
    pub const ROLE_DOC: PredicateId = PredicateId(71);
    pub const ROLE_RULES: PredicateId = PredicateId(72);

    pub const RULE_ID: PredicateId = PredicateId(80);
    pub const RULE_DOC: PredicateId = PredicateId(81);
    pub const RULE_COLLECTION: PredicateId = PredicateId(82);
    pub const RULE_PREDICATES: PredicateId = PredicateId(83);
    pub const RULE_FNS: PredicateId = PredicateId(84);
    pub const RULE_OPS: PredicateId = PredicateId(85);
    pub const RULE_COLLECTION_DEFAULT: PredicateId = PredicateId(86);
    pub const RULE_ERROR_MESSAGE: PredicateId = PredicateId(87);

    pub const FN_NAME: PredicateId = PredicateId(90);
    pub const FN_PARAMS: PredicateId = PredicateId(91);
    pub const FN_CODE: PredicateId = PredicateId(92);
    pub const FN_DOC: PredicateId = PredicateId(93);
    pub const FN_LANGUAGE: PredicateId = PredicateId(95);

    pub const TX_ID: PredicateId = PredicateId(100);
    pub const TX_AUTH: PredicateId = PredicateId(101);
    pub const TX_ALT_ID: PredicateId = PredicateId(104);
    pub const TX_DOC: PredicateId = PredicateId(105);
    pub const TX_TEMPIDS: PredicateId = PredicateId(108);
    pub const TX_AUTHORITY: PredicateId = PredicateId(102);
    pub const TX_NONCE: PredicateId = PredicateId(103);
    pub const TX_TX: PredicateId = PredicateId(106);
    pub const TX_SIG: PredicateId = PredicateId(107);

    pub const SETTING_ANONYMOUS: PredicateId = PredicateId(110);
    pub const SETTING_DOC: PredicateId = PredicateId(113);
    pub const SETTING_ID: PredicateId = PredicateId(116);

    pub const AUTH_KEY: PredicateId = PredicateId(200);
    pub const AUTH_SECRET: PredicateId = PredicateId(201);
    pub const AUTH_HASH_TYPE: PredicateId = PredicateId(202);
    pub const AUTH_RESET_TOKEN: PredicateId = PredicateId(203);
    pub const AUTH_PUBLIC_KEY: PredicateId = PredicateId(204);
    pub const AUTH_VALID_AFTER: PredicateId = PredicateId(205);
    pub const AUTH_REDIRECT_URIS: PredicateId = PredicateId(206);
    pub const AUTH_DISABLED: PredicateId = PredicateId(210);
    pub const AUTH_CERTIFICATE: PredicateId = PredicateId(211);
    pub const USER_EMAIL: PredicateId = PredicateId(207);
    pub const RULE_EFFECT: PredicateId = PredicateId(208);
    pub const SETTING_TOKEN_MAX_SECONDS: PredicateId = PredicateId(209);

    pub const SETTING_BANNER: PredicateId = PredicateId(212);
    pub const SETTING_VALID_AFTER: PredicateId = PredicateId(213);

    pub const TOKEN_ID: PredicateId = PredicateId(220);
    pub const TOKEN_AUTH: PredicateId = PredicateId(221);
    pub const TOKEN_KIND: PredicateId = PredicateId(222);
    pub const TOKEN_HASH: PredicateId = PredicateId(223);
    pub const TOKEN_NAME: PredicateId = PredicateId(224);
    pub const TOKEN_ISSUED: PredicateId = PredicateId(225);
    pub const TOKEN_EXPIRES: PredicateId = PredicateId(226);
    pub const TOKEN_FAMILY: PredicateId = PredicateId(227);
    pub const TOKEN_REVOKED: PredicateId = PredicateId(228);

    pub const TX_KEY: PredicateId = PredicateId(240);
    pub const TX_BODY_HASH: PredicateId = PredicateId(241);
}

/// The `_auth` that always exists and holds [`ROOT_ROLE`].
pub const ROOT_AUTH: SubjectId = SubjectId::constant(6, 0);
/// The role that may do everything; known by its id, and not editable.
pub const ROOT_ROLE: SubjectId = SubjectId::constant(7, 0);
/// The rule of [`ROOT_ROLE`].
pub const ROOT_RULE: SubjectId = SubjectId::constant(8, 0);
/// The function `true`.
pub const TRUE_FUNCTION: SubjectId = SubjectId::constant(4, 0);
/// The function `false`.
pub const FALSE_FUNCTION: SubjectId = SubjectId::constant(4, 1);
/// The settings of this database.
pub const ROOT_SETTING: SubjectId = SubjectId::constant(9, 0);

/// The number at which users' additions to system collections begin.
pub const USER_NUMBER_FIRST: u64 = 1_001;
/// The id of the first collection that a user makes.
pub const USER_COLLECTION_FIRST: u64 = 20;

/// The first number that users may take in `collection`.
pub fn first_number(collection: CollectionId) -> u64 {
    match collection.raw() {
        1 => USER_COLLECTION_FIRST,
        0 | 2..20 => USER_NUMBER_FIRST,
        _ => 0,
    }
}
