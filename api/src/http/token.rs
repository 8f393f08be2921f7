//! Consistency tokens: where in which log a write stands, so that a read can ask to see it.

use std::fmt::Write as _;

use axum::http::HeaderValue;
use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::{Info, PartitionId, Position};

use super::problem::{Code, Problem};

/// The header that carries the token.
pub const HEADER: &str = "x-consistency-token";

/// The longest token, in bytes.
pub const LONGEST: usize = 2_048;

/// The most partitions that a token names.
const MARKS: usize = 64;

/// Writes the token of a stream's position: log, history, partition and position.
pub fn write(info: &Info, stream: &StreamKey, position: Position) -> HeaderValue {
    write_marks(info, &[(info.partition_of(stream), position)])
}

/// Writes the token of several positions; of more than a token can name, the first ones.
pub fn write_marks(info: &Info, marks: &[(PartitionId, Position)]) -> HeaderValue {
    let mut text = String::with_capacity(96);
    let _ = write!(text, "{}.{}.", info.log.simple(), info.history.simple());
    for (place, (partition, position)) in marks.iter().take(MARKS).enumerate() {
        let joint = if place == 0 { "" } else { "," };
        let _ = write!(text, "{joint}{partition}:{position}");
    }
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Reads a token of this log and history: positions by partition. Several tokens can be put into one by joining their
/// last parts with `,`.
///
/// # Errors
///
/// A problem of the code `invalid_parameter` for what is no token, or one of another log or history.
pub fn read(info: &Info, text: &str) -> Result<Vec<(PartitionId, Position)>, Problem> {
    let wrong = |why: &str| Problem::new(Code::InvalidParameter, format!("`X-Consistency-Token` {why}"));
    let no_token = || wrong("is not a token of this service");
    let mut parts = text.split('.');
    let (log, history, marks) = (parts.next(), parts.next(), parts.next());
    let marks = marks.filter(|_| parts.next().is_none()).ok_or_else(no_token)?;
    if log != Some(&info.log.simple().to_string()) || history != Some(&info.history.simple().to_string()) {
        return Err(wrong("belongs to another log or history; read without it"));
    }
    let marks: Option<Vec<_>> = marks.split(',').take(MARKS + 1).map(|mark| read_mark(info, mark)).collect();
    marks.filter(|marks| marks.len() <= MARKS).ok_or_else(no_token)
}

fn read_mark(info: &Info, text: &str) -> Option<(PartitionId, Position)> {
    let (partition, position) = text.split_once(':')?;
    let partition = partition.parse().ok().filter(|partition| info.partitions.contains(partition))?;
    Some((partition, position.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use promptsales_engine::id::{IdSecret, Prefix, Slot, SlotMap, StreamId, TenantId, uuid_v7};

    use super::*;

    fn info() -> Info {
        let [log, history] = [1, 2].map(|n| uuid_v7(n, Slot::new(0), n));
        let (partitions, slots) = ((0..4).collect(), SlotMap::even(4));
        Info {
            log,
            history,
            secret: IdSecret::new([0; 32]),
            partitions,
            slots,
            resumed_at: None,
            starts_held: false,
        }
    }

    #[test]
    fn a_token_names_partition_and_position() {
        let info = info();
        let id = StreamId::new(Prefix::new("lead"), uuid_v7(1, Slot::new(2_100), 1));
        let token = write(&info, &StreamKey::new(TenantId::default_tenant(), id), 17);
        let token = token.to_str().unwrap();
        assert_eq!(read(&info, token).unwrap(), [(2, 17)]);
        assert_eq!(read(&info, &format!("{token},0:3")).unwrap(), [(2, 17), (0, 3)]);
        let head = token.strip_suffix("2:17").unwrap();
        for wrong in ["", "17", "4:1", "2:", ":1", "2:17,", "2:17.", "2:-1"] {
            assert!(read(&info, &format!("{head}{wrong}")).is_err(), "`{wrong}`");
        }
        let many = vec!["0:1"; MARKS + 1].join(",");
        assert!(read(&info, &format!("{head}{many}")).is_err());
    }
}
