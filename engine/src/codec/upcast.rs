//! Upcasters: pure steps that bring what was stored in an older shape to the current one.
//!
//! A kind declares, beside its events, the current version of each and a step from every earlier version to the
//! next. What is stored is never rewritten; it is brought up each time it is read. What a newer release wrote is
//! refused, and says so.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::journal::Json;

/// A pure step from one version of a shape to the next.
///
/// # Errors
///
/// It says what the data lacks.
pub type UpcastStep = fn(Value) -> Result<Value, String>;

/// The step from one version of an event to the next.
#[derive(Debug, Clone, Copy)]
pub struct Upcaster {
    /// The event's wire name.
    pub event: &'static str,
    /// The version that it takes; it makes the next one.
    pub from: u16,
    /// What it does to the event's fields.
    pub step: UpcastStep,
}

/// The step from one version of a kept state to the next.
#[derive(Debug, Clone, Copy)]
pub struct StateUpcaster {
    /// The version that it takes; it makes the next one.
    pub from: u16,
    /// What it does to the state.
    pub step: UpcastStep,
}

/// The shapes that a kind writes, and how it reads those that it wrote before.
#[derive(Debug, Clone, Copy)]
pub struct Shapes {
    /// Every event's wire name with the current version of its shape.
    pub events: &'static [(&'static str, u16)],
    /// A step from every earlier version of every event.
    pub upcasters: &'static [Upcaster],
    /// The current version of the kept state.
    pub state: u16,
    /// Steps from earlier versions of the kept state; an older one is rebuilt from the events.
    pub state_upcasters: &'static [StateUpcaster],
}

/// Upcasters that do not fit the versions they stand for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapesError {
    /// An event stands twice, or with version 0.
    #[error("the event `{event}` is listed twice, or with version 0")]
    Event {
        /// The event.
        event: &'static str,
    },
    /// A version has no step to the next.
    #[error("{what} version {from} has no upcaster, and cannot be read any more")]
    Gap {
        /// The event, or the state.
        what: ShapeName,
        /// The version.
        from: u16,
    },
    /// A version has several steps to the next.
    #[error("{what} version {from} has several upcasters")]
    Twice {
        /// The event, or the state.
        what: ShapeName,
        /// The version.
        from: u16,
    },
    /// A step from what there is not.
    #[error("there is an upcaster of {what} version {from}, which is no earlier version")]
    Stray {
        /// The event, or the state.
        what: ShapeName,
        /// The version.
        from: u16,
    },
}

/// What cannot be brought to the current shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpcastError {
    /// No event of the kind has this name.
    #[error("`{name}` is no event of this kind")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The version is above the current one.
    #[error(
        "{what} has version {version}, and this release knows {known}: it was written by a newer release"
    )]
    Newer {
        /// The event, or the state.
        what: ShapeName,
        /// The version that was found.
        version: u16,
        /// The newest version that is known.
        known: u16,
    },
    /// The version is below every step.
    #[error("{what} version {version} has no upcaster")]
    NoStep {
        /// The event, or the state.
        what: ShapeName,
        /// The version.
        version: u16,
    },
    /// The data is not what its version promises.
    #[error("{what} version {version} cannot be brought up: {reason}")]
    Data {
        /// The event, or the state.
        what: ShapeName,
        /// The version.
        version: u16,
        /// What is wrong.
        reason: String,
    },
}

/// What has a shape: an event, or the kept state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShapeName {
    /// An event, by its wire name.
    Event(&'static str),
    /// The state.
    State,
}

impl fmt::Display for ShapeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(name) => write!(f, "the event `{name}`"),
            Self::State => f.write_str("the kept state"),
        }
    }
}

impl Shapes {
    /// Checks that every earlier version of every event is led to the current one by exactly one chain of steps, and
    /// that the steps of the state, where there are any, form one.
    ///
    /// # Errors
    ///
    /// [`ShapesError`], naming the first that does not fit.
    pub fn check(&self) -> Result<(), ShapesError> {
        for (place, (event, version)) in self.events.iter().enumerate() {
            if *version == 0 || self.events[..place].iter().any(|(other, _)| other == event) {
                return Err(ShapesError::Event { event });
            }
            let froms = self.upcasters.iter().filter(|step| step.event == *event).map(|step| step.from);
            check_chain(ShapeName::Event(event), froms, 1, *version)?;
        }
        let known = |step: &&Upcaster| self.events.iter().any(|(event, _)| *event == step.event);
        if let Some(stray) = self.upcasters.iter().find(|step| !known(step)) {
            return Err(ShapesError::Stray { what: ShapeName::Event(stray.event), from: stray.from });
        }
        let froms = self.state_upcasters.iter().map(|step| step.from);
        let oldest = froms.clone().min().unwrap_or(self.state);
        check_chain(ShapeName::State, froms, oldest.max(1), self.state)
    }

    /// Brings an event's fields to the current shape.
    ///
    /// # Errors
    ///
    /// [`UpcastError`].
    pub fn upcast_event<'a>(
        &self,
        name: &str,
        version: u16,
        data: &'a Json,
    ) -> Result<Cow<'a, str>, UpcastError> {
        let found = self.events.iter().find(|(known, _)| *known == name);
        let (event, current) = found.ok_or_else(|| UpcastError::Unknown { name: name.to_owned() })?;
        let step = |from| self.upcasters.iter().find(|step| (step.event, step.from) == (*event, from));
        upcast(ShapeName::Event(event), (version, *current), data, |from| step(from).map(|step| step.step))
    }

    /// Brings a kept state to the current shape.
    ///
    /// # Errors
    ///
    /// [`UpcastError`]; the state can then only be rebuilt from the events.
    pub fn upcast_state<'a>(&self, version: u16, data: &'a Json) -> Result<Cow<'a, str>, UpcastError> {
        let step = |from| self.state_upcasters.iter().find(|step| step.from == from);
        upcast(ShapeName::State, (version, self.state), data, |from| step(from).map(|step| step.step))
    }

    /// True if a kept state of a version can be read.
    pub fn reads_state(&self, version: u16) -> bool {
        let has_step = |from| self.state_upcasters.iter().any(|step| step.from == from);
        version <= self.state && (version..self.state).all(has_step)
    }
}

fn check_chain(
    what: ShapeName,
    froms: impl Iterator<Item = u16> + Clone,
    oldest: u16,
    current: u16,
) -> Result<(), ShapesError> {
    if let Some(from) = froms.clone().find(|from| *from == 0 || *from >= current) {
        return Err(ShapesError::Stray { what, from });
    }
    for from in oldest..current {
        match froms.clone().filter(|other| *other == from).count() {
            0 => return Err(ShapesError::Gap { what, from }),
            1 => {}
            _ => return Err(ShapesError::Twice { what, from }),
        }
    }
    Ok(())
}

fn upcast<'a>(
    what: ShapeName,
    (version, current): (u16, u16),
    data: &'a Json,
    step: impl Fn(u16) -> Option<UpcastStep>,
) -> Result<Cow<'a, str>, UpcastError> {
    if version == current {
        return Ok(Cow::Borrowed(data.text()));
    }
    if version > current {
        return Err(UpcastError::Newer { what, version, known: current });
    }
    let mut value = data.value();
    for from in version..current {
        let step = step(from).ok_or(UpcastError::NoStep { what, version: from })?;
        value = step(value).map_err(|reason| UpcastError::Data { what, version: from, reason })?;
    }
    Ok(Cow::Owned(value.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rename(mut value: Value) -> Result<Value, String> {
        let old = value.as_object_mut().and_then(|fields| fields.remove("old")).ok_or("it has no `old`")?;
        Ok(json!({ "new": old }))
    }

    fn wrap(value: Value) -> Result<Value, String> {
        Ok(json!({ "in": value }))
    }

    const STEPS: &[Upcaster] =
        &[Upcaster { event: "a", from: 1, step: rename }, Upcaster { event: "a", from: 2, step: wrap }];

    fn shapes(events: &'static [(&'static str, u16)], upcasters: &'static [Upcaster]) -> Shapes {
        Shapes { events, upcasters, state: 1, state_upcasters: &[] }
    }

    #[test]
    fn a_chain_of_steps_leads_to_the_current_version() {
        let shapes = shapes(&[("a", 3), ("b", 1)], STEPS);
        assert_eq!(shapes.check(), Ok(()));
        let data = |value: Value| Json::from(&value);
        let up = |version, value| shapes.upcast_event("a", version, &data(value)).map(Cow::into_owned);
        assert_eq!(up(1, json!({ "old": 1 })).unwrap(), r#"{"in":{"new":1}}"#);
        assert_eq!(up(2, json!({ "new": 1 })).unwrap(), r#"{"in":{"new":1}}"#);
        assert_eq!(up(3, json!({})).unwrap(), "{}");
        assert!(up(4, json!({})).unwrap_err().to_string().contains("newer release"));
        assert!(up(1, json!({})).unwrap_err().to_string().contains("`old`"));
        assert!(matches!(up(0, json!({})), Err(UpcastError::NoStep { version: 0, .. })));
        assert!(matches!(shapes.upcast_event("c", 1, &Json::null()), Err(UpcastError::Unknown { .. })));
    }

    #[test]
    fn gaps_duplicates_and_strays_are_found() {
        let a = ShapeName::Event("a");
        assert_eq!(shapes(&[("a", 4)], STEPS).check(), Err(ShapesError::Gap { what: a, from: 3 }));
        assert_eq!(shapes(&[("a", 2)], STEPS).check(), Err(ShapesError::Stray { what: a, from: 2 }));
        assert_eq!(shapes(&[("b", 1)], STEPS).check(), Err(ShapesError::Stray { what: a, from: 1 }));
        assert_eq!(shapes(&[("a", 1), ("a", 1)], &[]).check(), Err(ShapesError::Event { event: "a" }));
        const TWICE: &[Upcaster] = &[STEPS[0], STEPS[0]];
        assert_eq!(shapes(&[("a", 2)], TWICE).check(), Err(ShapesError::Twice { what: a, from: 1 }));
    }

    #[test]
    fn kept_states_are_read_as_far_back_as_there_are_steps() {
        const STATES: &[StateUpcaster] = &[StateUpcaster { from: 2, step: wrap }];
        let shapes = Shapes { events: &[], upcasters: &[], state: 3, state_upcasters: STATES };
        assert_eq!(shapes.check(), Ok(()));
        assert_eq!([1, 2, 3, 4].map(|version| shapes.reads_state(version)), [false, true, true, false]);
        assert_eq!(shapes.upcast_state(2, &Json::null()).unwrap(), r#"{"in":null}"#);
        assert!(shapes.upcast_state(4, &Json::null()).is_err());
        assert_eq!(
            Shapes { state: 4, ..shapes }.check(),
            Err(ShapesError::Gap { what: ShapeName::State, from: 3 })
        );
    }
}
