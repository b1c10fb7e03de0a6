//! The schema by which the past is read.
//!
//! Names and flags are those of now. Two things are as they were, since facts are kept in them: the types of values,
//! and the names of predicates within the ids of tags.

use std::sync::Arc;

use super::load::{Schema, type_of};
use crate::model::system::predicate;
use crate::model::{Error, Facts, Value};

impl Schema {
    /// This schema as it reads `past`, which hides none of the schema.
    ///
    /// # Errors
    /// As reading the facts fails.
    pub fn for_past(self: &Arc<Self>, past: &dyn Facts) -> Result<Arc<Self>, Error> {
        let basis = past.basis();
        let mut changed = Vec::new();
        for it in self.predicates().filter(|it| it.shaped > basis) {
            let s = it.id.subject();
            let name = past.value_list(s, predicate::PREDICATE_NAME)?;
            let kind = past.value_list(s, predicate::PREDICATE_TYPE)?;
            // One that was not there then has no values then.
            let (Some(Value::String(name)), Some(Value::Ref(kind))) = (name.first(), kind.first())
            else {
                continue;
            };
            let value_type = type_of(*kind, past)?.unwrap_or(it.value_type);
            if value_type != it.value_type || *name != it.tags {
                changed.push((it.id, value_type, Arc::clone(name)));
            }
        }
        if changed.is_empty() {
            return Ok(Arc::clone(self));
        }
        let mut schema = Self::clone(self);
        for (id, value_type, tags) in changed {
            schema.read_as(id, value_type, tags);
        }
        Ok(Arc::new(schema))
    }
}
