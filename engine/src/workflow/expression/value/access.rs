//! What jaq and its standard library ask of a value: reading and updating its parts.

use std::rc::Rc;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Exn, ValX};

use super::super::meter;
use super::operate::{integer, normal};
use super::{Error, Kind, Val, ValR, text_of};

/// Size that an array may have after an assignment beyond its end, which fills it up with nulls.
const MAX_FILL: usize = 65_536;

impl jaq_core::ValT for Val {
    fn from_num(text: &str) -> ValR {
        if let Ok(value) = text.parse::<i128>() {
            return Ok(integer(value));
        }
        let value = text.parse::<f64>().map_err(|_| Error::str("cannot read a number"))?;
        Ok(normal(value))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(fields: I) -> ValR {
        let mut object = super::Object::default();
        for (key, value) in fields {
            match key.kind {
                Kind::Text(key) => object.insert(key, value),
                kind => return Err(Error::typ(kind.into(), "string, for the key of an object")),
            }
        }
        Ok(Kind::Object(Rc::new(object)).into())
    }

    fn key_values(self) -> BoxIter<'static, Result<(Self, Self), Error>> {
        let hops = self.hops;
        match self.kind {
            Kind::Array(array) => Box::new((0..array.items.len()).map(move |index| {
                Ok((Self::from(index as isize), array.items[index].clone().reached_from(hops)))
            })),
            Kind::Object(object) => Box::new((0..object.map.len()).map(move |index| {
                let (key, value) = object.map.get_index(index).expect("the index is below the length");
                Ok((Kind::Text(Rc::clone(key)).into(), value.clone().reached_from(hops)))
            })),
            kind => box_once(Err(Error::typ(kind.into(), "iterable (array or object)"))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR>> {
        Box::new(self.key_values().map(|pair| pair.map(|(_, value)| value)))
    }

    fn index(self, index: &Self) -> ValR {
        meter::step();
        let hops = self.hops;
        Ok(self.find(index)?.unwrap_or_default().reached_from(hops))
    }

    fn range(self, range: Range<&Self>) -> ValR {
        meter::step();
        let hops = self.hops;
        let part = match &self.kind {
            Kind::Null => Self::default(),
            Kind::Text(text) => {
                meter::charge_bytes(8 * text.len());
                let (from, upto) = bounds(&range, text.chars().count())?;
                Self::text(text.chars().skip(from).take(upto - from).collect::<String>())
            }
            Kind::Array(array) => {
                let (from, upto) = bounds(&range, array.items.len())?;
                array.items[from..upto].iter().cloned().collect()
            }
            _ => return Err(Error::typ(self, "rangeable (array or string)")),
        };
        Ok(part.reached_from(hops))
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        meter::step();
        let hops = self.hops;
        match self.kind {
            Kind::Array(array) => {
                let items =
                    Rc::try_unwrap(array).map_or_else(|array| array.items.clone(), |array| array.items);
                let mut mapped = super::Array::default();
                for item in items {
                    for result in f(item.reached_from(hops)) {
                        mapped.push(result?);
                    }
                }
                Ok(Kind::Array(Rc::new(mapped)).into())
            }
            Kind::Object(object) => {
                let fields =
                    Rc::try_unwrap(object).map_or_else(|object| object.map.clone(), |object| object.map);
                let mut mapped = super::Object::default();
                for (key, value) in fields {
                    if let Some(result) = f(value.reached_from(hops)).next() {
                        mapped.insert(key, result?);
                    }
                }
                Ok(Kind::Object(Rc::new(mapped)).into())
            }
            _ => opt.fail(self, |value| Exn::from(Error::typ(value, "iterable (array or object)"))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        meter::step();
        match (&self.kind, &index.kind) {
            (Kind::Null | Kind::Object(_), Kind::Text(key)) => self.map_field(key, f),
            (Kind::Null | Kind::Array(_), Kind::Int(position)) => match self.position_for(*position) {
                Ok(position) => self.map_element(position, f),
                Err(error) => opt.fail(self, |_| Exn::from(error)),
            },
            (Kind::Null | Kind::Array(_) | Kind::Text(_), Kind::Object(slice)) => {
                let (start, end) = ("start".to_owned(), "end".to_owned());
                self.map_range(slice.map.get(&start)..slice.map.get(&end), opt, f)
            }
            _ => opt.fail(self, |value| Exn::from(Error::index(value, index.clone()))),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        meter::step();
        let array = match &self.kind {
            Kind::Array(array) => array,
            _ => return opt.fail(self, |value| Exn::from(Error::typ(value, "array"))),
        };
        let (from, upto) = match bounds(&range, array.items.len()) {
            Ok(bounds) => bounds,
            Err(error) => return opt.fail(self, |_| Exn::from(error)),
        };
        let middle: Self = array.items[from..upto].iter().cloned().collect();
        let middle = match f(middle.reached_from(self.hops)).next().transpose()? {
            Some(value) => value,
            None => Self::from_iter([]),
        };
        let (head, tail) = (&array.items[..from], &array.items[upto..]);
        Ok(head.iter().chain(middle.try_items()?).chain(tail).cloned().collect())
    }

    fn as_bool(&self) -> bool {
        !matches!(self.kind, Kind::Null | Kind::Bool(false))
    }

    fn into_string(self) -> Self {
        match self.kind {
            Kind::Text(_) => self,
            _ => Self::text(text_of(&self)),
        }
    }
}

impl Val {
    /// Finds the part at an index: none where there is nothing.
    pub(in super::super) fn find(&self, index: &Self) -> Result<Option<Self>, Error> {
        Ok(match (&self.kind, &index.kind) {
            (Kind::Null, Kind::Null | Kind::Text(_) | Kind::Int(_) | Kind::Float(_) | Kind::Object(_)) => {
                None
            }
            (Kind::Object(object), Kind::Text(key)) => {
                meter::charge_bytes(key.len());
                object.map.get(key).cloned()
            }
            (Kind::Array(array), Kind::Int(position)) => {
                absolute(*position, array.items.len()).and_then(|position| array.items.get(position).cloned())
            }
            (Kind::Array(array), Kind::Float(position)) => {
                absolute(position.floor() as i64, array.items.len())
                    .and_then(|position| array.items.get(position).cloned())
            }
            (Kind::Array(array), Kind::Array(needle)) => Some(positions(&array.items, &needle.items)),
            (Kind::Array(_) | Kind::Text(_), Kind::Object(slice)) => {
                let (start, end) = ("start".to_owned(), "end".to_owned());
                let range = slice.map.get(&start)..slice.map.get(&end);
                return jaq_core::ValT::range(self.clone(), range).map(Some);
            }
            _ => return Err(Error::index(self.clone(), index.clone())),
        })
    }

    /// Returns the value without what is at a path, where there is something.
    pub(in super::super) fn without(self, path: &[Self]) -> ValR {
        meter::step();
        let Some((first, rest)) = path.split_first() else { return Ok(Self::default()) };
        let kept = match self.find(first)? {
            None => return Ok(self),
            Some(_) if rest.is_empty() => None,
            Some(part) => Some(part.without(rest)?),
        };
        let outcome =
            jaq_core::ValT::map_index(self, first, Opt::Essential, |_| kept.clone().map(Ok).into_iter());
        outcome
            .map_err(|exception| exception.get_err().unwrap_or_else(|_| Error::str("cannot remove a path")))
    }

    /// Turns an index into the position to assign to, which may be beyond the end.
    fn position_for(&self, index: i64) -> Result<usize, Error> {
        let length = match &self.kind {
            Kind::Array(array) => array.items.len(),
            _ => 0,
        };
        let out_of_bounds = || Error::str(format_args!("index {index} is out of bounds"));
        let position = absolute(index, length).ok_or_else(out_of_bounds)?;
        if position >= length.max(MAX_FILL) {
            meter::trip(meter::Trip::Bytes);
        }
        Ok(position)
    }

    fn map_field<'a, I>(mut self, key: &Rc<String>, f: impl Fn(Self) -> I) -> ValX<'a, Self>
    where
        I: Iterator<Item = ValX<'a, Self>>,
    {
        let hops = self.hops;
        let mut object = match std::mem::take(&mut self.kind) {
            Kind::Object(object) => object,
            _ => Rc::default(),
        };
        let fields = Rc::make_mut(&mut object);
        let old = fields.map.get_mut(key).map(|value| (value.bytes(), value.depth(), std::mem::take(value)));
        let (before, old) = match old {
            Some((bytes, depth, value)) => (Some((bytes, depth)), value),
            None => (None, Self::default()),
        };
        let new = f(old.reached_from(hops)).next().transpose()?;
        match (new, before) {
            (Some(new), Some(before)) => fields.replace(key, before, new),
            (Some(new), None) => fields.insert(Rc::clone(key), new),
            (None, Some(_)) => {
                meter::charge(fields.map.len() as u64);
                fields.map.shift_remove(key);
                fields.measure();
            }
            (None, None) => (),
        }
        self.kind = Kind::Object(object);
        Ok(self)
    }

    fn map_element<'a, I>(mut self, position: usize, f: impl Fn(Self) -> I) -> ValX<'a, Self>
    where
        I: Iterator<Item = ValX<'a, Self>>,
    {
        let hops = self.hops;
        let mut array = match std::mem::take(&mut self.kind) {
            Kind::Array(array) => array,
            _ => Rc::default(),
        };
        let old = array.items.get(position).map(|item| (item.bytes(), item.depth()));
        let fields = Rc::make_mut(&mut array);
        let item = fields.items.get_mut(position).map(std::mem::take).unwrap_or_default();
        match (f(item.reached_from(hops)).next().transpose()?, old) {
            (Some(new), Some(old)) => fields.replace(position, old, new),
            (Some(new), None) => {
                while fields.items.len() < position {
                    fields.push(Self::default());
                }
                fields.push(new);
            }
            (None, Some(_)) => {
                fields.items.remove(position);
                fields.measure();
            }
            (None, None) => (),
        }
        self.kind = Kind::Array(array);
        Ok(self)
    }
}

/// Counts a negative index from the end.
fn absolute(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => usize::try_from(index.unsigned_abs()).ok().and_then(|back| length.checked_sub(back)),
    }
}

/// Turns the bounds of a slice into positions between 0 and `length`, the first not above the second.
fn bounds(range: &Range<&Val>, length: usize) -> Result<(usize, usize), Error> {
    let bound =
        |value: Option<&Val>, default: usize, round: fn(f64) -> f64| match value.map(|value| &value.kind) {
            None | Some(Kind::Null) => Ok(default),
            Some(Kind::Int(index)) => Ok(absolute(*index, length).unwrap_or(0).min(length)),
            Some(Kind::Float(index)) => Ok(absolute(round(*index) as i64, length).unwrap_or(0).min(length)),
            Some(kind) => Err(Error::typ(kind.clone().into(), "integer, for the bound of a slice")),
        };
    let from = bound(range.start, 0, f64::floor)?;
    let upto = bound(range.end, length, f64::ceil)?;
    Ok((from, upto.max(from)))
}

/// Finds where `needle` begins in `items`.
pub(in super::super) fn positions(items: &[Val], needle: &[Val]) -> Val {
    if needle.is_empty() {
        return Val::from_iter([]);
    }
    let windows = items.windows(needle.len()).enumerate();
    windows.filter(|(_, window)| *window == needle).map(|(position, _)| Val::from(position)).collect()
}

impl jaq_std::ValT for Val {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self.kind {
            Kind::Array(array) => Ok(match Rc::try_unwrap(array) {
                Ok(array) => array.items.into_iter().collect(),
                Err(array) => array.items.iter().cloned().collect(),
            }),
            _ => Err(self),
        }
    }

    fn is_int(&self) -> bool {
        self.kind.as_integer().is_some()
    }

    fn as_isize(&self) -> Option<isize> {
        match self.kind {
            Kind::Int(value) => isize::try_from(value).ok(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self.kind {
            Kind::Int(_) | Kind::Wide(_) | Kind::Float(_) => Some(self.kind.as_float()),
            _ => None,
        }
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self.kind, Kind::Text(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        self.as_text().map(|text| text.as_bytes())
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Self::text(String::from_utf8_lossy(part))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::text(String::from_utf8_lossy(bytes.as_ref()))
    }
}
