//! Functions on arrays, objects and values in general.

use std::rc::Rc;

use jaq_core::native::{Filter, Fun, bome, unary, v};
use jaq_core::{Bind, Native, RunPtr};
use jaq_std::ValT as _;

use super::super::meter::{self, Trip};
use super::super::value::{Error, Kind, Val, ValR, positions, text_of};
use super::Cage;

/// Levels that `recurse` may descend, and with it `while`, `until` and `repeat` when they branch.
const MAX_RECURSION: usize = 4_096;

/// The natives of this file.
pub(super) fn natives() -> Vec<Filter<RunPtr<Cage>>> {
    vec![
        ("length", v(0), |cv| bome(length(cv.1))),
        ("has", v(1), |cv| unary(cv, |value, key| has(&value, &key).map(Val::from))),
        ("contains", v(1), |cv| unary(cv, |value, part| contains(&value, &part).map(Val::from))),
        ("indices", v(1), |cv| unary(cv, |value, part| indices(&value, &part))),
        ("keys", v(0), |cv| bome(keys(&cv.1))),
        ("type", v(0), |cv| bome(Ok(Val::text(cv.1.type_name())))),
        ("tojson", v(0), |cv| bome(Ok(Val::text(text_of(&cv.1))))),
        ("fromjson", v(0), |cv| bome(cv.1.try_text().and_then(|text| Val::from_json_text(text)))),
        ("toboolean", v(0), |cv| bome(boolean(cv.1))),
        ("flatten", v(1), |cv| unary(cv, |value, levels| flatten(&value, &levels))),
        ("join", v(1), |cv| unary(cv, |value, separator| join(&value, &separator))),
        ("bsearch", v(1), |cv| unary(cv, |value, wanted| search(&value, &wanted))),
        ("delpaths", v(1), |cv| unary(cv, |value, paths| remove(value, &paths))),
        ("implode", v(0), |cv| bome(implode(&cv.1))),
    ]
}

fn length(value: Val) -> ValR {
    Ok(match &value.kind {
        Kind::Null => Val::from(0_usize),
        Kind::Text(_) => Val::from(value.try_text()?.chars().count()),
        Kind::Array(array) => Val::from(array.len()),
        Kind::Object(object) => Val::from(object.len()),
        Kind::Int(number) => Val::from_integer(i128::from(*number).abs()),
        Kind::Wide(_) => value,
        Kind::Float(number) => Val::from(number.abs()),
        Kind::Bool(_) => return Err(Error::str(format_args!("{value} has no length"))),
    })
}

fn has(value: &Val, key: &Val) -> Result<bool, Error> {
    match (&value.kind, &key.kind) {
        (Kind::Object(_), Kind::Text(_)) => value.find(key).map(|found| found.is_some()),
        (Kind::Array(array), Kind::Int(index)) => {
            Ok(usize::try_from(*index).is_ok_and(|index| index < array.len()))
        }
        _ => Err(Error::index(value.clone(), key.clone())),
    }
}

fn contains(value: &Val, part: &Val) -> Result<bool, Error> {
    meter::step();
    match (&value.kind, &part.kind) {
        (Kind::Object(value), Kind::Object(part)) => {
            for (key, part) in part.fields() {
                match value.get(key) {
                    Some(value) if contains(value, part)? => (),
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Kind::Array(value), Kind::Array(part)) => {
            for part in part.items() {
                let mut found = false;
                for item in value.items() {
                    found = found || (item.type_name() == part.type_name() && contains(item, part)?);
                }
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Kind::Text(_), Kind::Text(_)) => Ok(value.try_text()?.contains(part.try_text()?.as_str())),
        _ if value.type_name() == part.type_name() => Ok(value == part),
        _ => Err(Error::str(format_args!("{value} and {part} cannot have their containment checked"))),
    }
}

fn indices(value: &Val, part: &Val) -> ValR {
    match (&value.kind, &part.kind) {
        (Kind::Null, _) => Ok(Val::default()),
        (Kind::Text(_), Kind::Text(_)) => {
            let (text, part) = (value.try_text()?, part.try_text()?);
            if part.is_empty() {
                return Ok(Val::default());
            }
            let found = text.char_indices().enumerate().filter(|(_, (at, _))| {
                meter::charge_bytes(part.len());
                text[*at..].starts_with(part.as_str())
            });
            Ok(found.map(|(position, _)| Val::from(position)).collect())
        }
        (Kind::Array(array), Kind::Array(part)) => Ok(positions(array.items(), part.items())),
        (Kind::Array(array), _) => Ok(positions(array.items(), std::slice::from_ref(part))),
        _ => Err(Error::index(value.clone(), part.clone())),
    }
}

fn keys(value: &Val) -> ValR {
    match &value.kind {
        Kind::Object(object) => {
            let mut keys: Vec<Val> =
                object.fields().map(|(key, _)| Kind::Text(Rc::clone(key)).into()).collect();
            keys.sort();
            Ok(keys.into_iter().collect())
        }
        Kind::Array(array) => Ok((0..array.len()).map(Val::from).collect()),
        _ => Err(Error::str(format_args!("{value} has no keys"))),
    }
}

fn boolean(value: Val) -> ValR {
    match &value.kind {
        Kind::Bool(_) => Ok(value),
        Kind::Text(text) if text.as_str() == "true" => Ok(true.into()),
        Kind::Text(text) if text.as_str() == "false" => Ok(false.into()),
        _ => Err(Error::str(format_args!("{value} cannot be read as a boolean"))),
    }
}

fn flatten(value: &Val, levels: &Val) -> ValR {
    fn flatten_into(items: &[Val], levels: usize, flat: &mut Vec<Val>) {
        for item in items {
            meter::step();
            match &item.kind {
                Kind::Array(inner) if levels > 0 => flatten_into(inner.items(), levels - 1, flat),
                _ => flat.push(item.clone()),
            }
        }
    }
    let levels = levels.as_isize().and_then(|levels| usize::try_from(levels).ok());
    let levels = levels.ok_or_else(|| Error::str("flatten takes a number of levels from 0 up"))?;
    let mut flat = Vec::new();
    flatten_into(value.try_items()?, levels, &mut flat);
    Ok(flat.into_iter().collect())
}

fn join(value: &Val, separator: &Val) -> ValR {
    let separator = separator.try_text()?;
    let mut joined = String::new();
    for (index, item) in value.try_items()?.iter().enumerate() {
        meter::step();
        if index > 0 {
            joined.push_str(separator);
        }
        match &item.kind {
            Kind::Null => (),
            Kind::Text(text) => joined.push_str(text),
            Kind::Array(_) | Kind::Object(_) => return Err(Error::typ(item.clone(), "string, to be joined")),
            Kind::Bool(_) | Kind::Int(_) | Kind::Wide(_) | Kind::Float(_) => joined.push_str(&text_of(item)),
        }
        meter::charge_bytes(separator.len());
        meter::admit(joined.len(), 0);
    }
    Ok(Val::text(joined))
}

fn search(value: &Val, wanted: &Val) -> ValR {
    let found = value.try_items()?.binary_search(wanted);
    Ok(found.map_or_else(|index| Val::from(-1 - index as isize), Val::from))
}

/// Removes paths, those that come last first, so that the positions before them stay.
fn remove(value: Val, paths: &Val) -> ValR {
    let mut paths = paths.try_items()?.to_vec();
    paths.sort();
    paths.iter().rev().try_fold(value, |value, path| value.without(path.try_items()?))
}

fn implode(value: &Val) -> ValR {
    let mut text = String::new();
    for item in value.try_items()? {
        meter::charge(1);
        let code = item.as_isize().and_then(|code| u32::try_from(code).ok()).and_then(char::from_u32);
        text.push(code.ok_or_else(|| Error::str(format_args!("cannot use {item} as a character")))?);
    }
    Ok(Val::text(text))
}

/// Runs `recurse(f)` over a stack on the heap, whose height is bounded.
macro_rules! recurse {
    ($run:ident) => {
        |mut cv| {
            let (filter, context) = cv.0.pop_fun();
            let mut open = Vec::new();
            let mut next = Some(Ok(cv.1));
            Box::new(std::iter::from_fn(move || {
                while next.is_none() {
                    let last: &mut jaq_core::box_iter::BoxIter<'_, _> = open.last_mut()?;
                    next = last.next();
                    // A chain does not grow: what has nothing left is put away before its child is opened.
                    if next.is_none() || last.size_hint() == (0, Some(0)) {
                        open.pop();
                    }
                }
                let item = next.take()?;
                if let Ok(item) = &item {
                    if open.len() >= MAX_RECURSION {
                        meter::trip(Trip::Depth);
                    }
                    let item: &_ = item;
                    open.push(filter.$run((context.clone(), Clone::clone(item))));
                }
                Some(item)
            }))
        }
    };
}

/// The native `recurse(f)`, which also works in paths.
pub(super) fn recurse() -> Fun<Cage> {
    ("recurse", [Bind::Fun(())].into(), Native::new(recurse!(run)).with_paths(recurse!(paths)))
}
