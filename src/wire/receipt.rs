//! The receipt of a transaction, or of one that was tried: `tempids, block, hash, t, instant, type, duration, auth, status, id, bytes,
//! flakes`, `warnings` if there are any, `authority` of a command that another signed, and `fuel` for root.
//!
//! A named tempid is told as its id, an unnamed one as the lowest and the highest id it became. A flake is
//! `[s, p, o, t, op, null]`; `t` is negative. A warning is `{"code", "predicate", "message"}`.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::db::{self, Tempid};
use crate::model::{Flake, SubjectId, T};
use crate::query::{Json, flake_json};

/// A receipt.
#[derive(Debug, Serialize)]
pub struct Receipt {
    #[serde(serialize_with = "tempids")]
    tempids: Vec<(String, Tempid)>,
    block: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    t: i64,
    instant: i64,
    #[serde(rename = "type")]
    kind: &'static str,
    duration: String,
    auth: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    bytes: usize,
    flakes: Vec<Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
}

/// Something that works, and that its author should know of.
#[derive(Debug, Serialize)]
struct Warning {
    code: &'static str,
    predicate: String,
    message: String,
}

impl Receipt {
    /// The receipt of a transaction that took `duration`, such as `3.18ms`.
    pub fn new(receipt: db::Receipt, duration: String) -> Self {
        let block = receipt.block;
        Self {
            tempids: receipt.tempids,
            block: block.0,
            hash: Some(receipt.hash),
            t: SubjectId::of_block(block).raw(),
            instant: receipt.instant_ms,
            kind: "tx",
            duration,
            auth: receipt.auth,
            authority: receipt.authority,
            status: 200,
            id: Some(receipt.id),
            bytes: receipt.bytes,
            flakes: flakes(&receipt.flakes, block),
            warnings: receipt.warnings.iter().map(Warning::new).collect(),
            erased: receipt.erased,
            fuel: receipt.fuel,
        }
    }

    /// What is told of a transaction that was tried: a receipt without `hash` and `id`, for it is no block.
    pub fn of_trial(trial: db::Trial, duration: String) -> Self {
        let block = trial.block;
        Self {
            tempids: trial.tempids,
            block: block.0,
            hash: None,
            t: SubjectId::of_block(block).raw(),
            instant: trial.instant_ms,
            kind: "tx",
            duration,
            auth: trial.auth,
            authority: None,
            status: 200,
            id: None,
            bytes: trial.bytes,
            flakes: flakes(&trial.flakes, block),
            warnings: trial.warnings.iter().map(Warning::new).collect(),
            erased: None,
            fuel: trial.fuel,
        }
    }
}

fn flakes(flakes: &[Flake], block: T) -> Vec<Json> {
    let json = |flake: &Flake| flake_json(flake.s, flake.p, &flake.o, block, flake.op);
    flakes.iter().map(json).collect()
}

impl Warning {
    fn new(warning: &db::Warning) -> Self {
        let db::Warning::Deprecated { predicate } = warning;
        Self {
            code: warning.code(),
            predicate: predicate.to_string(),
            message: warning.to_string(),
        }
    }
}

fn tempids<S: Serializer>(tempids: &[(String, Tempid)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(tempids.len()))?;
    for (name, became) in tempids {
        match became {
            Tempid::One(id) => map.serialize_entry(name, &id.raw())?,
            Tempid::Range(lowest, highest) => {
                map.serialize_entry(name, &[lowest.raw(), highest.raw()])?;
            }
        }
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Op, PredicateId, Value};

    #[test]
    fn a_receipt_has_the_members_that_were_promised() {
        let id = |raw| SubjectId::from_raw(raw).unwrap();
        let receipt = Receipt::new(
            db::Receipt {
                tempids: vec![
                    ("person$1".to_owned(), Tempid::One(id(5))),
                    ("chat".to_owned(), Tempid::Range(id(6), id(7))),
                ],
                block: T(3),
                hash: "aa".to_owned(),
                instant_ms: 1_000,
                auth: "root".to_owned(),
                id: "bb".to_owned(),
                bytes: 12,
                flakes: vec![Flake {
                    s: id(5),
                    p: PredicateId(1_001),
                    o: Value::Int(-9),
                    op: Op::Assert,
                }],
                warnings: vec![db::Warning::Deprecated {
                    predicate: "person/old".into(),
                }],
                erased: Some(4),
                fuel: None,
                is_repeat: false,
                authority: None,
            },
            "3.18ms".to_owned(),
        );
        assert_eq!(
            serde_json::to_string(&receipt).unwrap(),
            concat!(
                r#"{"tempids":{"person$1":5,"chat":[6,7]},"block":3,"hash":"aa","t":-3,"instant":1000,"#,
                r#""type":"tx","duration":"3.18ms","auth":"root","status":200,"id":"bb","bytes":12,"#,
                r#""flakes":[[5,1001,-9,-3,true,null]],"#,
                r#""warnings":[{"code":"deprecated","predicate":"person/old","#,
                r#""message":"`person/old` is deprecated"}],"erased":4}"#
            )
        );
    }
}
