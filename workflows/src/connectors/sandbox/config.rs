//! What the sandbox is told to do: how long it takes, and what goes wrong.

use promptsales_engine::effect::CallError;
use serde::{Deserialize, Serialize};

use super::request::{Asked, digest64};

/// How the sandbox behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxConfig {
    /// How long every call takes, in milliseconds.
    pub latency_ms: u64,
    /// What goes wrong. The first rule that matches a call and is not used up for its key applies, and only that.
    pub rules: Vec<Rule>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self { latency_ms: 5, rules: Vec::new() }
    }
}

/// Something that goes wrong with certain calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// The connector: `content`, `ads` or `tracking`.
    pub connector: String,
    /// The operation, such as `activate`.
    pub operation: String,
    /// A text that must occur in the request, written as JSON without spaces and with sorted keys:
    /// `"channel":"tiktok"`.
    #[serde(default, alias = "match", skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// What happens.
    pub behaviour: Behaviour,
}

/// What happens to a call.
///
/// `times` is counted by rule and idempotency key, in what the sandbox has written down: a restart goes on counting,
/// and each key meets the rule anew. A rule is known by what it says (equal ones by their order too), so that other
/// rules may come and go between two openings of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Behaviour {
    /// The provider says no, for good; not to a key that it has executed before.
    Refuse {
        /// The provider's code.
        code: String,
        /// What it says.
        message: String,
    },
    /// The provider answers that it is `unavailable`; this call does nothing, whatever an earlier one did.
    Fail {
        /// How often.
        times: u32,
    },
    /// The provider cannot be reached; this call does nothing, whatever an earlier one did.
    Unreachable {
        /// How often.
        times: u32,
    },
    /// It is done, and the answer does not come.
    #[serde(alias = "accept_then_timeout")]
    AcceptThenTimeout {
        /// How often.
        times: u32,
    },
    /// It takes longer on its way in; a caller that hangs up before has had nothing done.
    Slow {
        /// By how many milliseconds.
        ms: u64,
    },
}

impl Behaviour {
    /// How often it happens to one key; always where there is no number.
    const fn times(&self) -> Option<u32> {
        match self {
            Self::Fail { times } | Self::Unreachable { times } | Self::AcceptThenTimeout { times } => {
                Some(*times)
            }
            Self::Refuse { .. } | Self::Slow { .. } => None,
        }
    }

    /// The failure of a call that did not get through.
    pub(super) fn failure(&self) -> Option<CallError> {
        match self {
            Self::Fail { .. } => Some(CallError::Failed {
                code: "unavailable".into(),
                message: "the provider is unavailable at the moment".to_owned(),
            }),
            Self::Unreachable { .. } => Some(CallError::Failed {
                code: "unreachable".into(),
                message: "the connection to the provider could not be made".to_owned(),
            }),
            Self::Refuse { .. } | Self::AcceptThenTimeout { .. } | Self::Slow { .. } => None,
        }
    }
}

impl SandboxConfig {
    /// The rule that applies to a call, with its fingerprint; `applied` says how often one has been applied.
    pub(super) fn rule_for(&self, asked: &Asked, applied: impl Fn(u64) -> u32) -> Option<(u64, &Behaviour)> {
        self.rules.iter().enumerate().filter(|(_, rule)| rule.matches(asked)).find_map(|(index, rule)| {
            let fingerprint = self.fingerprint(index);
            let left = rule.behaviour.times().is_none_or(|times| applied(fingerprint) < times);
            left.then_some((fingerprint, &rule.behaviour))
        })
    }

    fn fingerprint(&self, index: usize) -> u64 {
        let rule = &self.rules[index];
        let equal_before = self.rules[..index].iter().filter(|other| *other == rule).count();
        let said = serde_json::to_string(rule).expect("a rule is plain data");
        digest64("sandbox rule", &[&said, &equal_before.to_string()])
    }
}

impl Rule {
    fn matches(&self, asked: &Asked) -> bool {
        asked.operation.strip_prefix(self.connector.as_str()).and_then(|rest| rest.strip_prefix('.'))
            == Some(self.operation.as_str())
            && self.contains.as_ref().is_none_or(|text| asked.json.contains(text.as_str()))
    }
}
