//! What the sandbox knows: a fold of the entries that it has written down.

use std::collections::{BTreeMap, HashMap};

use promptsales_engine::effect::{CallError, EffectKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::report::{OperationCount, SandboxReport};
use super::request::{Asked, refused};

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Entry {
    /// A call came in.
    Seen {
        operation: String,
        key: EffectKey,
        /// The fingerprint of the rule that applied to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<u64>,
    },
    /// An operation was executed.
    Executed { operation: String, key: EffectKey, digest: u64, change: Change },
}

/// What an operation does to the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(super) enum Change {
    /// A piece of content is there.
    Generate {
        job_id: String,
        /// The caller's own name for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        channel: String,
        locale: String,
        kind: String,
    },
    /// One piece is put away, or all that the caller has one name for.
    Archive {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// An ad runs.
    Activate {
        external_id: String,
        campaign_id: String,
        channel: String,
        amount_minor: i64,
        currency: String,
    },
    /// One ad of a campaign on a channel stops, or all of them.
    Deactivate { external_id: Option<String>, campaign_id: String, channel: String },
    /// A form takes leads.
    CreateForm { form_id: String, campaign_id: String },
    /// One form of a campaign is gone, or all of them.
    RemoveForm { form_id: Option<String>, campaign_id: String },
}

#[derive(Debug)]
struct Done {
    digest: u64,
    times: u64,
}

#[derive(Debug)]
struct Piece {
    reference: Option<String>,
    channel: String,
    locale: String,
    kind: String,
}

#[derive(Debug)]
struct Ad {
    campaign_id: String,
    channel: String,
    amount_minor: i64,
    currency: String,
}

/// The fold. Everything that leaves it is sorted.
#[derive(Debug, Default)]
pub(super) struct State {
    counts: BTreeMap<String, OperationCount>,
    done: HashMap<EffectKey, Done>,
    applied: HashMap<(u64, EffectKey), u32>,
    /// Content that is not archived, by job id.
    pieces: HashMap<String, Piece>,
    /// Ads that run, by external id.
    ads: HashMap<String, Ad>,
    /// The campaigns of forms, by form id.
    forms: HashMap<String, String>,
}

impl State {
    pub(super) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Seen { operation, key, rule } => {
                if let Some(rule) = rule {
                    *self.applied.entry((rule, key)).or_default() += 1;
                }
                self.counts.entry(operation).or_default().requests += 1;
            }
            Entry::Executed { operation, key, digest, change } => {
                self.done.entry(key).or_insert(Done { digest, times: 0 }).times += 1;
                self.counts.entry(operation).or_default().executed += 1;
                self.change(change);
            }
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Generate { job_id, reference, channel, locale, kind } => {
                self.pieces.insert(job_id, Piece { reference, channel, locale, kind });
            }
            Change::Archive { job_id: Some(id), .. } => {
                self.pieces.remove(&id);
            }
            Change::Archive { job_id: None, reference } => {
                self.pieces.retain(|_, piece| reference.is_none() || piece.reference != reference);
            }
            Change::Activate { external_id, campaign_id, channel, amount_minor, currency } => {
                self.ads.insert(external_id, Ad { campaign_id, channel, amount_minor, currency });
            }
            Change::Deactivate { external_id: Some(id), campaign_id, channel } => {
                if self.ads.get(&id).is_some_and(|ad| ad.is_of(&campaign_id, &channel)) {
                    self.ads.remove(&id);
                }
            }
            Change::Deactivate { external_id: None, campaign_id, channel } => {
                self.ads.retain(|_, ad| !ad.is_of(&campaign_id, &channel));
            }
            Change::CreateForm { form_id, campaign_id } => {
                self.forms.insert(form_id, campaign_id);
            }
            Change::RemoveForm { form_id: Some(id), campaign_id } => {
                if self.forms.get(&id) == Some(&campaign_id) {
                    self.forms.remove(&id);
                }
            }
            Change::RemoveForm { form_id: None, campaign_id } => {
                self.forms.retain(|_, campaign| *campaign != campaign_id);
            }
        }
    }

    /// How often a rule has been applied to calls under a key.
    pub(super) fn applied(&self, rule: u64, key: EffectKey) -> u32 {
        self.applied.get(&(rule, key)).copied().unwrap_or_default()
    }

    /// True if this very request has been executed under its key.
    pub(super) fn was_done(&self, asked: &Asked) -> Result<bool, CallError> {
        match self.done.get(&asked.key) {
            None => Ok(false),
            Some(done) if done.digest == asked.digest() => Ok(true),
            Some(_) => {
                let message = format!("the key {} was used for another request", asked.key);
                Err(refused("idempotency_conflict", message))
            }
        }
    }

    pub(super) fn report(&self) -> SandboxReport {
        let mut repeated: Vec<EffectKey> =
            self.done.iter().filter(|(_, done)| done.times > 1).map(|(key, _)| *key).collect();
        repeated.sort_unstable();
        SandboxReport {
            requests: self.counts.values().map(|count| count.requests).sum(),
            executed: self.done.len() as u64,
            executions: self.counts.values().map(|count| count.executed).sum(),
            repeated,
            by_operation: self.counts.clone(),
        }
    }

    pub(super) fn world(&self) -> Value {
        let mut ads: Vec<&Ad> = self.ads.values().collect();
        ads.sort_unstable_by_key(|ad| (&ad.campaign_id, &ad.channel, ad.amount_minor, &ad.currency));
        let mut forms: Vec<&String> = self.forms.values().collect();
        forms.sort_unstable();
        let mut pieces = BTreeMap::<_, u64>::new();
        for piece in self.pieces.values() {
            *pieces.entry((&piece.channel, &piece.locale, &piece.kind)).or_default() += 1;
        }
        json!({
            "ads": ads.into_iter().map(|ad| json!({
                "campaignId": ad.campaign_id, "channel": ad.channel,
                "amountMinor": ad.amount_minor, "currency": ad.currency,
            })).collect::<Vec<_>>(),
            "content": pieces.into_iter().map(|((channel, locale, kind), count)| json!({
                "channel": channel, "locale": locale, "kind": kind, "count": count,
            })).collect::<Vec<_>>(),
            "forms": forms.into_iter().map(|campaign| json!({ "campaignId": campaign })).collect::<Vec<_>>(),
        })
    }
}

impl Ad {
    fn is_of(&self, campaign_id: &str, channel: &str) -> bool {
        self.campaign_id == campaign_id && self.channel == channel
    }
}
