//! What stands in a row of an answer.

use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::error::corrupt;
use crate::clock::Timestamp;
use crate::id::{StreamId, StreamKey};
use crate::journal::{Error, Json};

/// Reads a column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Error> {
    row.try_get(index).map_err(|error| corrupt("a stored row", super::error::told(&error)))
}

/// Reads a number that is never negative.
pub(super) fn uint(row: &Row, index: usize) -> Result<u64, Error> {
    let number: i64 = get(row, index)?;
    u64::try_from(number).map_err(|error| corrupt("a stored number", error))
}

/// Reads a time in milliseconds.
pub(super) fn time(row: &Row, index: usize) -> Result<Timestamp, Error> {
    Ok(Timestamp::from_ms(get(row, index)?))
}

/// Reads JSON that is carried as it stands.
pub(super) fn body(row: &Row, index: usize) -> Result<Json, Error> {
    Json::from_text(get(row, index)?).map_err(|error| corrupt("stored JSON", error))
}

/// Reads JSON of a known shape.
pub(super) fn json<T: DeserializeOwned>(row: &Row, index: usize) -> Result<T, Error> {
    serde_json::from_str(get(row, index)?).map_err(|error| corrupt("stored JSON", error))
}

/// Reads tenant, prefix and UUID from three columns on.
pub(super) fn stream_key(row: &Row, from: usize) -> Result<StreamKey, Error> {
    let tenant: &str = get(row, from)?;
    let tenant = tenant.parse().map_err(|error| corrupt("a stream's tenant", error))?;
    Ok(StreamKey::new(tenant, stream_id(row, from + 1)?))
}

/// Reads prefix and UUID from two columns on.
pub(super) fn stream_id(row: &Row, from: usize) -> Result<StreamId, Error> {
    let prefix: &str = get(row, from)?;
    let prefix = prefix.parse().map_err(|error| corrupt("a stream's prefix", error))?;
    Ok(StreamId::new(prefix, get::<Uuid>(row, from + 1)?))
}

/// A number as the database has it; what is beyond its range stands for "no bound".
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A limit as the database has it.
pub(super) fn size(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
