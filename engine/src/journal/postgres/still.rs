//! A store that nobody serves, to be read whole.

use super::desk::Standing;
use super::error::unavailable;
use super::restore::refuse_served;
use super::session::Session;
use super::target::Target;
use super::{PostgresJournal, PostgresOptions, schema, tls};
use crate::journal::Error;

/// A store that stands still, as far as [`StillStore::check`] does not find otherwise.
#[derive(Debug)]
pub struct StillStore {
    journal: PostgresJournal,
    seen: Vec<Standing>,
}

impl StillStore {
    /// Opens a store that no node serves.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] while a node's lease holds by the database's clock; [`Error::Unavailable`] where there is no
    /// store, or it cannot be used.
    pub async fn open(target: &Target, options: PostgresOptions) -> Result<Self, Error> {
        let mut session = Session::connect(target, tls::connector(target)?, options.connect).await?;
        if !schema::has_store(&mut session).await? {
            return Err(unavailable(&target.to_string(), "there is no store in it"));
        }
        refuse_served(&mut session).await?;
        let journal = PostgresJournal::open_target(target, options).await?;
        let seen = journal.standings().await?;
        Ok(Self { journal, seen })
    }

    /// The store.
    pub fn journal(&self) -> &PostgresJournal {
        &self.journal
    }

    /// Fails where somebody has taken the store up since it was opened.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`]; [`Error::Unavailable`].
    pub async fn check(&self) -> Result<(), Error> {
        refuse_served(&mut self.journal.readers.get().await?.session).await?;
        if self.journal.standings().await? != self.seen {
            let reason = "a server took it up meanwhile: stop every server, and begin again".to_owned();
            return Err(Error::InUse { reason });
        }
        Ok(())
    }
}

impl PostgresJournal {
    /// How all partitions stand.
    async fn standings(&self) -> Result<Vec<Standing>, Error> {
        let mut found = self.read_standings(&self.infos.last().partitions).await?;
        found.sort_unstable_by_key(|standing| standing.partition);
        Ok(found)
    }
}
