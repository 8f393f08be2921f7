//! Automation rules: what is done when something happens. Its pure part goes from a rule's text to
//! what it makes of an event ([`weigh`]).
//!
//! A rule is a document in YAML or JSON. `on` says which events it hears, `when` says on what terms, and `then` says
//! what is done; `limits` says how often.
//!
//! ```yaml
//! name: thank-for-big-orders
//! title: Thanks whoever orders much            # optional, as `description` is
//! on:                                          # a filter, or a list of filters that must all pass
//!   - exact: { type: com.example.order.placed }
//!   - not: { prefix: { source: /tests/ } }
//! entity: '${ .event.data.customer }'          # whose state is `.entity`; by default the event's subject
//! when:
//!   all:
//!     - { field: event.data.total, op: gte, value: 100 }
//!     - { field: entity.blocked, op: ne, value: true }
//! then:
//!   - start: { workflow: thank, input: { order: '${ .event.subject }' }, key: '${ .event.id }' }
//!   - command: { to: '${ .event.data.customer }', command: tag, body: { tag: big } }
//!   - emit: { type: com.example.order.big, subject: '${ .event.subject }', data: { total: '${ .event.data.total }' } }
//! limits: { per: '${ .event.data.customer }', cooldown: P7D }
//! ```
//!
//! - Filters ([`filter`]) are those of the CloudEvents Subscriptions API 1.0, section 3.2.4: `exact`, `prefix`,
//!   `suffix`, `all`, `any` and `not`, over the attributes of an event.
//! - Conditions ([`condition`]) are clauses over the *facts*, which are one object: `event`, the event in the JSON
//!   format of CloudEvents, and `entity`, the state of an entity, or null. A "no" says which clause and what it found.
//! - Expressions are jq in `${ }`, in the cage of [`crate::workflow::expression`]. They see the facts as `.`, and `now`
//!   is the time of the event, so that a rule makes the same of an event whenever it is asked.
//! - Actions ([`Then`]) are rendered into what has to be done ([`Rendered`]); a rule itself does nothing.
//!
//! # At work
//!
//! A rule is an entity ([`entity`]): drafts, versions, published or paused. A registry ([`Rules`]) finds the published
//! ones by the types of events. In each partition a service follows the log by position, and has its *desk* ([`desk`])
//! commit how far it is together with the messages by which rules act: each event is weighed to an end once. What must
//! count for a key over all partitions (once, cooldown, debounce) is kept by a *gate* for rule and key ([`gate`]).
//! What became of an event is told from a closed list ([`told`]).

mod action;
pub mod condition;
mod deeds;
pub mod definition;
pub mod desk;
pub mod entity;
mod facts;
pub mod filter;
mod follower;
mod formula;
pub mod gate;
mod limits;
mod reader;
mod registry;
mod shelf;
mod shown;
pub mod told;
mod weigh;

#[cfg(test)]
mod tests;

pub use action::{Rendered, Then};
pub use condition::{Condition, Miss, Verdict};
pub use definition::Rule;
pub use facts::event_type;
pub use filter::{Filters, Types};
pub(crate) use follower::Follower;
pub use formula::Formula;
pub use limits::Limits;
pub use registry::{Live, Rules, Shelf};
pub use shelf::{info, load_rules};
pub use weigh::{MOST_HOPS, Weighed, weigh};
