//! Appending entry by entry, where the database refuses one of a batch though all that is known speaks for it.

use std::slice;

use super::PostgresJournal;
use super::append::{Answers, Work, plan};
use super::columns::Columns;
use super::desk::Doubt;
use super::error::{Failure, Refusal};
use super::look_up::Depth;
use super::write::write;
use crate::journal::check::refused;
use crate::journal::{Appended, BatchResult, Entry, EntryError, Error};

impl PostgresJournal {
    /// Appends a batch of which the database refuses some entry: each entry in a commit of its own.
    pub(super) async fn append_singly(&self, mut work: Work<'_>) -> BatchResult {
        let whole = work.entries;
        let mut answers = Answers::with_capacity(whole.len());
        for entry in whole {
            work.entries = slice::from_ref(entry);
            match self.append_alone(&mut work, entry).await {
                Ok(answer) => answers.push(answer),
                Err(error) if answers.iter().all(Result::is_err) => return Err(error),
                Err(error) => return Err(Error::Unknown { reason: error.to_string() }),
            }
        }
        Ok(answers)
    }

    /// Appends the only entry of a batch.
    async fn append_alone(
        &self,
        work: &mut Work<'_>,
        entry: &Entry,
    ) -> Result<Result<Appended, EntryError>, Error> {
        let fenced = Error::Fenced { partition: work.fence.partition };
        let known = self.know(&[&*work], Depth::All).await?.pop().unwrap_or_default();
        let (planned, mut answers) = plan(work, known);
        let answer = answers.pop().ok_or_else(|| fenced.clone())?;
        let Some(standing) = work.book.standing.filter(|_| planned.latest.is_some()) else {
            return Ok(answer);
        };
        let mut columns = Columns::default();
        columns.add(&standing, &planned);
        let doubt = Doubt::until_known(work.desk);
        let written = write(&self.writers, &columns).await;
        match written {
            Err(Failure::Lost(reason)) => {
                self.resolve(work, &reason).await?;
                doubt.known();
                return Ok(answer);
            }
            _ => doubt.known(),
        }
        match written {
            Ok(hit) if hit.contains(&work.fence.partition) => {
                drop(columns);
                work.remember(planned);
                Ok(answer)
            }
            Ok(_) => Err(fenced),
            Err(Failure::Refused(refusal)) if refusal.blames_row() => Ok(Err(guilty(entry, refusal)?)),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Why an entry was refused by itself; where its very place was taken, the store is at fault.
fn guilty(entry: &Entry, refusal: Refusal) -> Result<EntryError, Error> {
    if refusal.constraint.as_deref().is_some_and(|name| name.starts_with("event_")) {
        return Err(Error::Corrupt { reason: refusal.message });
    }
    Ok(refused(entry, refusal.message))
}
