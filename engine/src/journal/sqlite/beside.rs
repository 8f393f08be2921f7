//! Reading what is committed beside the events: timers, messages, effects.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteJournal;
use super::read::{body, int, json, size, stream_id, stream_key, time, uint, uuid};
use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey};
use crate::id::StreamKey;
use crate::journal::plan::read_origin;
use crate::journal::{Error, Message, MessageId, Timer};

impl SqliteJournal {
    pub(super) async fn timers(&self, until: Timestamp, limit: usize) -> Result<Vec<Timer>, Error> {
        const SQL: &str = "SELECT t.due, t.name, s.tenant, s.prefix, s.uuid
            FROM main.timer AS t INDEXED BY timer_due CROSS JOIN main.stream AS s ON s.no = t.stream
            WHERE t.due <= ?1 ORDER BY t.due, t.stream, t.name LIMIT ?2";
        let rows = self.fetch(sqlx::query(SQL).bind(until.ms()).bind(size(limit))).await?;
        let timer = |row: &SqliteRow| {
            Ok(Timer { due: time(row, 0)?, name: row.try_get(1)?, stream: stream_key(row, 2)? })
        };
        rows.iter().map(timer).collect()
    }

    pub(super) async fn messages(&self, after: u64, limit: usize) -> Result<Vec<(u64, Message)>, Error> {
        const SQL: &str = "SELECT o.id, o.message, o.prefix, o.uuid, o.command, o.origin, o.body,
                s.tenant, s.prefix, s.uuid
            FROM main.outbox AS o CROSS JOIN main.stream AS s ON s.no = o.stream
            WHERE o.id > ?1 ORDER BY o.id LIMIT ?2";
        let rows = self.fetch(sqlx::query(SQL).bind(int(after)).bind(size(limit))).await?;
        rows.iter().map(|row| Ok((uint(row, 0)?, message(row)?))).collect()
    }

    /// Looks at all that wait: few do for long, and none pays for an index.
    pub(super) async fn message_on_its_way(&self, to: &StreamKey) -> Result<Option<Message>, Error> {
        const SQL: &str = "SELECT o.id, o.message, o.prefix, o.uuid, o.command, o.origin, o.body,
                s.tenant, s.prefix, s.uuid
            FROM main.outbox AS o CROSS JOIN main.stream AS s ON s.no = o.stream
            WHERE o.uuid = ?1 AND o.prefix = ?2 AND s.tenant = ?3 ORDER BY o.id LIMIT 1";
        let uuid = to.id.uuid().as_bytes().to_vec();
        let query = sqlx::query(SQL).bind(uuid).bind(to.id.prefix().as_str()).bind(to.tenant.as_str());
        let rows = self.fetch(query).await?;
        rows.first().map(message).transpose()
    }

    pub(super) async fn effects(&self, after: u64, limit: usize) -> Result<Vec<(u64, Effect)>, Error> {
        const SQL: &str =
            "SELECT e.id, e.key, e.attempts, e.at, e.connector, e.operation, e.state, e.origin, e.request,
                s.tenant, s.prefix, s.uuid
            FROM main.effect AS e INDEXED BY effect_open CROSS JOIN main.stream AS s ON s.no = e.stream
            WHERE e.phase = 0 AND e.id > ?1 ORDER BY e.id LIMIT ?2";
        let rows = self.fetch(sqlx::query(SQL).bind(int(after)).bind(size(limit))).await?;
        rows.iter().map(|row| Ok((uint(row, 0)?, effect(row)?))).collect()
    }

    pub(super) async fn effect(&self, key: &EffectKey) -> Result<Option<Effect>, Error> {
        const SQL: &str =
            "SELECT e.id, e.key, e.attempts, e.at, e.connector, e.operation, e.state, e.origin, e.request,
                s.tenant, s.prefix, s.uuid
            FROM main.effect AS e CROSS JOIN main.stream AS s ON s.no = e.stream WHERE e.key = ?1";
        let rows = self.fetch(sqlx::query(SQL).bind(key.uuid().as_bytes().to_vec())).await?;
        rows.first().map(effect).transpose()
    }
}

pub(super) fn message(row: &SqliteRow) -> Result<Message, Error> {
    let command: String = row.try_get(4)?;
    Ok(Message {
        id: MessageId::from_uuid(uuid(row, 1)?),
        from: stream_key(row, 7)?,
        to: stream_id(row, 2)?,
        command: command.into(),
        body: body(row, 6)?,
        origin: read_origin(row.try_get(5)?)?,
    })
}

pub(super) fn effect(row: &SqliteRow) -> Result<Effect, Error> {
    let attempts: u32 = row.try_get(2)?;
    let (connector, operation): (String, String) = (row.try_get(4)?, row.try_get(5)?);
    Ok(Effect {
        key: EffectKey::from_uuid(uuid(row, 1)?),
        stream: stream_key(row, 9)?,
        connector: connector.into(),
        operation: operation.into(),
        request: body(row, 8)?,
        state: json(row, 6)?,
        attempts,
        origin: read_origin(row.try_get(7)?)?,
        at: time(row, 3)?,
    })
}
