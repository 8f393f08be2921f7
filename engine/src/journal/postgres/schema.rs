//! The schema: migrations, forward only and one at a time, and what the database must promise.

use rand::Rng;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::error::{Failure, corrupt, unavailable};
use super::row::get;
use super::session::Session;
use super::target::Target;
use super::{PostgresOptions, import, tls};
use crate::clock::Timestamp;
use crate::id::{IdSecret, SLOTS, SlotMap};
use crate::journal::{Error, Info};

/// The layouts, each one step after the one before; `promptsales.layout` counts them.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_journal.sql"),
    include_str!("../../../migrations/postgres/0002_restored.sql"),
    include_str!("../../../migrations/postgres/0003_base.sql"),
    include_str!("../../../migrations/postgres/0004_import.sql"),
    include_str!("../../../migrations/postgres/0005_held.sql"),
    include_str!("../../../migrations/postgres/0006_search.sql"),
    include_str!("../../../migrations/postgres/0007_forgotten.sql"),
];
/// How often making the first table is tried, where several processes do it at the same time.
const TRIES: usize = 5;

/// Brings a database to the newest layout, making the store where there is none, and returns the layout's number.
///
/// # Errors
///
/// [`Error::Unavailable`] when it cannot be reached, must not be used, or belongs to a newer program.
pub async fn migrate(target: &Target, options: &PostgresOptions) -> Result<usize, Error> {
    let mut session = Session::connect(target, tls::connector(target)?, options.connect).await?;
    check_settings(&mut session).await?;
    let done = timeout(options.migration, migrate_over(&mut session, options.partitions)).await;
    done.map_err(|_| unavailable("the migration", format!("not done within {:?}", options.migration)))??;
    Ok(MIGRATIONS.len())
}

/// Looks at a database without changing anything, and says how it stands.
///
/// # Errors
///
/// [`Error::Unavailable`] when it cannot be reached, must not be used, or belongs to a newer program.
pub async fn check(target: &Target, options: &PostgresOptions) -> Result<String, Error> {
    let mut session = Session::connect(target, tls::connector(target)?, options.connect).await?;
    let looked = timeout(options.patience, async {
        check_settings(&mut session).await?;
        let is_there = has_layout(&mut session).await?;
        let layout = if is_there { layout(&mut session).await? } else { 0 };
        Ok(match layout {
            0 => "reachable and safe; it holds no store yet".to_owned(),
            found if found == MIGRATIONS.len() => {
                import::refuse_unfinished(&mut session).await?;
                format!("layout {found}, up to date")
            }
            found => format!("layout {found}, to be brought to {} at the next start", MIGRATIONS.len()),
        })
    });
    looked
        .await
        .map_err(|_| unavailable("the database", format!("no answer within {:?}", options.patience)))?
}

/// Checks that commits are safe on stable storage when they are answered, and that the server takes writes.
pub(super) async fn check_settings(session: &mut Session) -> Result<(), Failure> {
    const SQL: &str = "SELECT current_setting('fsync'), current_setting('full_page_writes'),
        current_setting('synchronous_commit'), pg_is_in_recovery()";
    let rows = session.query(SQL, &[]).await?;
    let refuse = |why: String| Err(Failure::Unsent(why));
    let Some(row) = rows.first() else { return refuse("the database does not tell its settings".to_owned()) };
    let setting = |index| row.try_get::<_, &str>(index).unwrap_or_default();
    for (name, found) in
        [("fsync", setting(0)), ("full_page_writes", setting(1)), ("synchronous_commit", setting(2))]
    {
        if found == "off" {
            return refuse(format!(
                "the database has {name} = off, so that commits could be lost; turn it on"
            ));
        }
    }
    if row.try_get::<_, bool>(3).unwrap_or(true) {
        return refuse("the server is a standby, which takes no writes".to_owned());
    }
    Ok(())
}

async fn migrate_over(session: &mut Session, partitions: u32) -> Result<(), Error> {
    make_layout(session).await?;
    if layout(session).await? == MIGRATIONS.len() {
        return Ok(());
    }
    // Whoever waited for the lock finds the work done.
    session.batch("BEGIN; LOCK TABLE promptsales.layout IN ACCESS EXCLUSIVE MODE").await?;
    let done = layout(session).await?;
    for (migration, number) in MIGRATIONS.iter().zip(1_i32..).skip(done) {
        session.batch(migration).await?;
        let sql = "INSERT INTO promptsales.layout (version) VALUES ($1)";
        session.query(sql, &[(&number, Type::INT4)]).await?;
    }
    if done == 0 {
        identify(session, partitions).await?;
    }
    session.batch("COMMIT").await?;
    Ok(())
}

/// Makes the table that counts the layouts, where it is not there.
async fn make_layout(session: &mut Session) -> Result<(), Error> {
    const MAKE: &str = "CREATE SCHEMA IF NOT EXISTS promptsales;
        CREATE TABLE IF NOT EXISTS promptsales.layout (
            version int PRIMARY KEY,
            at timestamptz NOT NULL DEFAULT clock_timestamp()
        )";
    let races = [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_SCHEMA];
    for _ in 0..TRIES {
        if has_layout(session).await? {
            return Ok(());
        }
        match session.batch(MAKE).await {
            Err(Failure::Refused(refusal)) if races.contains(&refusal.code) => {}
            other => other?,
        }
    }
    Err(unavailable("the schema", "others keep changing it"))
}

async fn has_layout(session: &mut Session) -> Result<bool, Error> {
    let rows = session.query("SELECT to_regclass('promptsales.layout') IS NOT NULL", &[]).await?;
    rows.first().map_or(Ok(false), |row| get(row, 0))
}

/// True where there is a store, of whatever layout.
pub(super) async fn has_store(session: &mut Session) -> Result<bool, Error> {
    Ok(has_layout(session).await? && layout(session).await? > 0)
}

async fn layout(session: &mut Session) -> Result<usize, Error> {
    let rows = session.query("SELECT coalesce(max(version), 0) FROM promptsales.layout", &[]).await?;
    let found: i32 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    let (found, newest) = (usize::try_from(found).unwrap_or_default(), MIGRATIONS.len());
    if found > newest {
        let why = format!("its layout is {found}, and this program knows {newest}; start a newer program");
        return Err(unavailable("the database", why));
    }
    Ok(found)
}

/// Gives a new store its identity, from the machine's randomness, and its partitions.
async fn identify(session: &mut Session, partitions: u32) -> Result<(), Error> {
    if !(1..=u32::from(SLOTS)).contains(&partitions) {
        return Err(unavailable("a new store", format!("it has 1 to {SLOTS} partitions, not {partitions}")));
    }
    let (log, history, secret): ([u8; 16], [u8; 16], [u8; 32]) = rand::rng().random();
    let (log, history, secret) = (Uuid::from_bytes(log), Uuid::from_bytes(history), secret.to_vec());
    let sql = "INSERT INTO promptsales.meta (id, log, secret) VALUES (1, $1, $2)";
    session.query(sql, &[(&log, Type::UUID), (&secret, Type::BYTEA)]).await?;
    let sql = "INSERT INTO promptsales.history (no, history, reason) VALUES (1, $1, 'made')";
    session.query(sql, &[(&history, Type::UUID)]).await?;
    let map = SlotMap::even(partitions);
    let slots: Vec<i32> = (0..i32::from(SLOTS.cast_signed())).collect();
    let owners: Vec<i32> =
        (0..SLOTS).map(|slot| map.partition(crate::id::Slot::new(slot)).cast_signed()).collect();
    let sql =
        "INSERT INTO promptsales.slot_map (slot, partition) SELECT * FROM unnest($1::int4[], $2::int4[])";
    session.query(sql, &[(&slots, Type::INT4_ARRAY), (&owners, Type::INT4_ARRAY)]).await?;
    let sql = "INSERT INTO promptsales.partition (id, epoch, pos, commits, streams, numbers, last, incarnation)
        SELECT id, 0, 0, 0, 0, 0, 0, '00000000-0000-0000-0000-000000000000' FROM generate_series(0, $1 - 1) AS id";
    session.query(sql, &[(&partitions.cast_signed(), Type::INT4)]).await?;
    Ok(())
}

/// Reads what identifies the store.
pub(super) async fn read_info(session: &mut Session) -> Result<Info, Error> {
    let sql = "SELECT log, secret, h.history,
            ARRAY(SELECT id FROM promptsales.partition ORDER BY id),
            ARRAY(SELECT partition FROM promptsales.slot_map ORDER BY slot), h.resumed, h.held
        FROM promptsales.meta, (SELECT history, resumed, held FROM promptsales.history ORDER BY no DESC LIMIT 1) AS h";
    let rows = session.query(sql, &[]).await?;
    let row = rows.first().ok_or_else(|| corrupt("promptsales.meta", "it is empty"))?;
    let secret: Vec<u8> = get(row, 1)?;
    let secret = secret.try_into().map_err(|_| corrupt("promptsales.meta", "the secret has not 32 bytes"))?;
    let unsigned = |ids: Vec<i32>| ids.into_iter().map(i32::cast_unsigned).collect::<Vec<_>>();
    let slots = SlotMap::stored(unsigned(get(row, 4)?));
    let resumed: Option<i64> = get(row, 5)?;
    Ok(Info {
        resumed_at: resumed.map(Timestamp::from_ms),
        starts_held: resumed.is_some() && get(row, 6)?,
        log: get(row, 0)?,
        history: get(row, 2)?,
        secret: IdSecret::new(secret),
        partitions: unsigned(get(row, 3)?),
        slots: slots.ok_or_else(|| corrupt("promptsales.slot_map", "it does not have every slot"))?,
    })
}
