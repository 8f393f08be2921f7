//! Waiting for what is being decided.

use super::directory::Directory;
use super::host::HostRef;
use super::intake::{Cell, Fault, Phase};
use crate::id::{Prefix, TenantId};

/// Entities that are waited for at once.
const AT_ONCE: usize = 256;

impl Directory {
    /// Waits until all that the entities of a kind have decided by now is in the journal, or is dropped. What they
    /// decide from now on they decide on what is known now.
    ///
    /// # Errors
    ///
    /// [`Fault`]; it is not known of all of them.
    pub(crate) async fn settled(&self, tenant: &TenantId, prefix: Prefix) -> Result<(), Fault> {
        let is_meant = |cell: &Cell<HostRef>| {
            let is_working = matches!(cell.lock().phase, Phase::Active { awake: true, .. });
            is_working && cell.key.tenant == *tenant && cell.key.id.prefix() == prefix
        };
        let working = self.cells().iter().filter(|cell| is_meant(cell.value()));
        let mut working: Vec<_> = working.map(|cell| cell.key.clone()).collect();
        working.sort();
        for some in working.chunks(AT_ONCE) {
            // A read is answered behind the commit of what was decided before it.
            for read in self.read_each(some).await {
                match read {
                    Ok(_) | Err(Fault::Quarantined { .. } | Fault::Refused { .. }) => {}
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(())
    }
}
