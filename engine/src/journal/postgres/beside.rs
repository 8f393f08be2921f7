//! Reading what is committed beside the events: timers, messages, effects.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::PostgresJournal;
use super::row::{body, get, int, json, size, stream_id, stream_key, time, uint};
use super::session::Param;
use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey};
use crate::id::StreamKey;
use crate::journal::plan::read_origin;
use crate::journal::{Error, Message, MessageId, PartitionId, Timer};

pub(super) const TIMERS: &str = "SELECT t.due, t.name, s.tenant, s.prefix, s.uuid
    FROM (SELECT * FROM promptsales.timer WHERE partition = $1 AND due <= $2
        ORDER BY due, stream, name LIMIT $3) AS t
    JOIN promptsales.stream AS s ON s.no = t.stream ORDER BY t.due, t.stream, t.name";

pub(super) const MESSAGES: &str = "SELECT o.no, o.message, o.prefix, o.uuid, o.command, o.origin, o.body,
        s.tenant, s.prefix, s.uuid
    FROM (SELECT * FROM promptsales.outbox WHERE partition = $1 AND no > $2 ORDER BY no LIMIT $3) AS o
    JOIN promptsales.stream AS s ON s.no = o.stream ORDER BY o.no";

/// Looks at all that wait: few do for long, and none pays for an index.
pub(super) const MESSAGE_TO: &str = "SELECT o.no, o.message, o.prefix, o.uuid, o.command, o.origin, o.body,
        s.tenant, s.prefix, s.uuid
    FROM promptsales.outbox AS o JOIN promptsales.stream AS s ON s.no = o.stream
    WHERE o.uuid = $1 AND o.prefix = $2 AND s.tenant = $3 ORDER BY o.no LIMIT 1";

pub(super) const OPEN_EFFECTS: &str = "SELECT e.no, e.key, e.attempts, e.at, e.connector, e.operation, e.state, e.origin,
        e.request, s.tenant, s.prefix, s.uuid
    FROM (SELECT * FROM promptsales.effect WHERE partition = $1 AND phase = 0 AND no > $2 ORDER BY no LIMIT $3) AS e
    JOIN promptsales.stream AS s ON s.no = e.stream ORDER BY e.no";

pub(super) const EFFECT: &str =
    "SELECT e.no, e.key, e.attempts, e.at, e.connector, e.operation, e.state, e.origin,
        e.request, s.tenant, s.prefix, s.uuid
    FROM promptsales.effect AS e JOIN promptsales.stream AS s ON s.no = e.stream WHERE e.key = $1";

impl PostgresJournal {
    pub(super) async fn timers(
        &self,
        partition: PartitionId,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, Error> {
        let rows = self.page(TIMERS, partition, until.ms(), limit).await?;
        let timer =
            |row: &Row| Ok(Timer { due: time(row, 0)?, name: get(row, 1)?, stream: stream_key(row, 2)? });
        rows.iter().map(timer).collect()
    }

    pub(super) async fn messages(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Message)>, Error> {
        let rows = self.page(MESSAGES, partition, int(after), limit).await?;
        rows.iter().map(|row| Ok((uint(row, 0)?, message(row)?))).collect()
    }

    pub(super) async fn message_on_its_way(&self, to: &StreamKey) -> Result<Option<Message>, Error> {
        self.wait_settled(None).await?;
        let (uuid, prefix, tenant) = (to.id.uuid(), to.id.prefix(), &to.tenant);
        let (prefix, tenant) = (prefix.as_str(), tenant.as_str());
        let params: [Param<'_>; 3] = [(&uuid, Type::UUID), (&prefix, Type::TEXT), (&tenant, Type::TEXT)];
        let rows = self.fetch(MESSAGE_TO, &params).await?;
        rows.first().map(message).transpose()
    }

    pub(super) async fn effects(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Effect)>, Error> {
        let rows = self.page(OPEN_EFFECTS, partition, int(after), limit).await?;
        rows.iter().map(|row| Ok((uint(row, 0)?, effect(row)?))).collect()
    }

    pub(super) async fn effect(&self, key: &EffectKey) -> Result<Option<Effect>, Error> {
        self.wait_settled(None).await?;
        let rows = self.fetch(EFFECT, &[(&key.uuid(), Type::UUID)]).await?;
        rows.first().map(effect).transpose()
    }

    /// Reads a page of a partition's rows on one side of a bound.
    async fn page(
        &self,
        sql: &str,
        partition: PartitionId,
        bound: i64,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        self.wait_settled(Some(partition)).await?;
        let (id, limit) = (partition.cast_signed(), size(limit));
        let params: [Param<'_>; 3] = [(&id, Type::INT4), (&bound, Type::INT8), (&limit, Type::INT8)];
        self.fetch(sql, &params).await
    }
}

pub(super) fn message(row: &Row) -> Result<Message, Error> {
    let command: String = get(row, 4)?;
    Ok(Message {
        id: MessageId::from_uuid(get(row, 1)?),
        from: stream_key(row, 7)?,
        to: stream_id(row, 2)?,
        command: command.into(),
        body: body(row, 6)?,
        origin: read_origin(get(row, 5)?)?,
    })
}

pub(super) fn effect(row: &Row) -> Result<Effect, Error> {
    let (connector, operation): (String, String) = (get(row, 4)?, get(row, 5)?);
    Ok(Effect {
        key: EffectKey::from_uuid(get(row, 1)?),
        stream: stream_key(row, 9)?,
        connector: connector.into(),
        operation: operation.into(),
        request: body(row, 8)?,
        state: json(row, 6)?,
        attempts: u32::try_from(uint(row, 2)?).unwrap_or(u32::MAX),
        origin: read_origin(get(row, 7)?)?,
        at: time(row, 3)?,
    })
}
