//! The definitions that come with the product, and how a node registers them.

use std::sync::Arc;
use std::time::Duration;

use promptsales_engine::entity::Dedup;
use promptsales_engine::journal::{Origin, Outcome};

use crate::app::App;

impl App {
    /// Goes on after the release of a restored store.
    ///
    /// # Errors
    ///
    /// As [`App::register_shipped`].
    pub async fn released(&self) -> anyhow::Result<()> {
        if self.is_shared() { Ok(()) } else { self.register_shipped().await }
    }

    /// Registers the definitions that come with the product.
    ///
    /// # Errors
    ///
    /// When one of them does not compile, or the node cannot take it.
    pub async fn register_shipped(&self) -> anyhow::Result<()> {
        for (name, source) in promptsales_workflows::definitions() {
            match self.register_one(name, source).await {
                // One that is set aside must not keep everything else from being served.
                Err(error) if self.is_set_aside(name) => {
                    tracing::error!(name, error = %error, "a definition of the product is quarantined");
                }
                done => done?,
            }
        }
        self.note_set_up(true);
        Ok(())
    }

    /// Registers the definitions that come with the product as soon as this node owns where each belongs. Once they
    /// are in the journal, whoever takes over finds them there.
    pub(crate) async fn register_when_owned(&self) {
        let mut changes = self.node().ownership_changes();
        let mut left = promptsales_workflows::definitions().to_vec();
        while !left.is_empty() {
            // A store that is held takes no definitions either.
            while self.node().is_held() {
                self.node().cx().sleep(Duration::from_millis(200)).await;
            }
            let mut again = Vec::new();
            let mut failed = false;
            for (name, source) in left {
                if self.node().check_owner(&self.definition_stream(&self.tenant(), name)).is_err() {
                    again.push((name, source));
                } else if let Err(error) = self.register_one(name, source).await {
                    tracing::error!(name, error = %error, "a definition of the product could not be registered");
                    again.push((name, source));
                    failed = true;
                }
            }
            left = again;
            self.note_set_up(left.is_empty());
            // Nobody who changes what is owned is ever gone before this task is.
            let changed = changes.changed();
            if failed {
                let _ = tokio::time::timeout(Duration::from_secs(1), changed).await;
            } else if !left.is_empty() {
                let _ = changed.await;
            }
        }
    }

    fn is_set_aside(&self, name: &str) -> bool {
        let of = self.node().quarantine_of(&self.definition_stream(&self.tenant(), name));
        matches!(of, Ok(Some(_)))
    }

    async fn register_one(&self, name: &str, source: &str) -> anyhow::Result<()> {
        let origin = Arc::new(Origin::root("start", "system"));
        let registered = self.register(&self.tenant(), origin, Dedup::None, source.to_owned()).await;
        let (_, _, answer) =
            registered.map_err(|problem| anyhow::anyhow!("definition `{name}`: {problem:?}"))?;
        match answer.outcome {
            Outcome::Accepted(_) => Ok(()),
            // Somebody has deleted it, and that stands.
            Outcome::Rejected(rejected) if rejected.code == "version_deleted" => Ok(()),
            Outcome::Rejected(rejected) => anyhow::bail!("definition `{name}`: {}", rejected.message),
        }
    }
}
