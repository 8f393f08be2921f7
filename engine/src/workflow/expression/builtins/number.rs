//! Functions on numbers.

use jaq_core::native::{Filter, bome, v};
use jaq_core::{Cv, RunPtr, ValXs};
use jaq_std::ValT as _;

use super::super::value::{Error, Kind, Val, ValR, normal};
use super::Cage;

/// Characters that text may have to be read as a number.
const MAX_NUMBER_CHARS: usize = 400;

/// The natives of this file.
pub(super) fn natives() -> Vec<Filter<RunPtr<Cage>>> {
    vec![
        ("tonumber", v(0), |cv| bome(number(cv.1))),
        ("nan", v(0), |_| bome(Ok(normal(f64::NAN)))),
        ("isnan", v(0), |cv| bome(Ok(matches!(cv.1.kind, Kind::Float(value) if value.is_nan()).into()))),
        ("isnormal", v(0), |cv| bome(float(&cv.1).map(|value| value.is_normal().into()))),
        ("fabs", v(0), |cv| map(&cv.1, f64::abs)),
        ("trunc", v(0), |cv| map(&cv.1, f64::trunc)),
        ("sqrt", v(0), |cv| map(&cv.1, f64::sqrt)),
        ("cbrt", v(0), |cv| map(&cv.1, f64::cbrt)),
        ("exp", v(0), |cv| map(&cv.1, f64::exp)),
        ("exp2", v(0), |cv| map(&cv.1, f64::exp2)),
        ("exp10", v(0), |cv| map(&cv.1, |value| 10_f64.powf(value))),
        ("log", v(0), |cv| map(&cv.1, f64::ln)),
        ("log2", v(0), |cv| map(&cv.1, f64::log2)),
        ("log10", v(0), |cv| map(&cv.1, f64::log10)),
        ("sin", v(0), |cv| map(&cv.1, f64::sin)),
        ("cos", v(0), |cv| map(&cv.1, f64::cos)),
        ("tan", v(0), |cv| map(&cv.1, f64::tan)),
        ("asin", v(0), |cv| map(&cv.1, f64::asin)),
        ("acos", v(0), |cv| map(&cv.1, f64::acos)),
        ("atan", v(0), |cv| map(&cv.1, f64::atan)),
        ("pow", v(2), |cv| map2(cv, f64::powf)),
        ("atan2", v(2), |cv| map2(cv, f64::atan2)),
        ("fmin", v(2), |cv| map2(cv, f64::min)),
        ("fmax", v(2), |cv| map2(cv, f64::max)),
        ("fmod", v(2), |cv| map2(cv, |left, right| left % right)),
    ]
}

fn float(value: &Val) -> Result<f64, Error> {
    value.as_f64().ok_or_else(|| Error::typ(value.clone(), "number"))
}

fn map<'a>(value: &Val, f: fn(f64) -> f64) -> ValXs<'a, Val> {
    bome(float(value).map(|value| normal(f(value))))
}

fn map2<'a>(mut cv: Cv<'a, Cage>, f: fn(f64, f64) -> f64) -> ValXs<'a, Val> {
    let right = cv.0.pop_var();
    let left = cv.0.pop_var();
    bome(float(&left).and_then(|left| Ok(normal(f(left, float(&right)?)))))
}

fn number(value: Val) -> ValR {
    let text = match &value.kind {
        Kind::Int(_) | Kind::Wide(_) | Kind::Float(_) => return Ok(value),
        Kind::Text(text) => text.trim(),
        _ => return Err(Error::str(format_args!("{value} cannot be read as a number"))),
    };
    let refused = || Error::str(format_args!("{value} cannot be read as a number"));
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    if text.len() > MAX_NUMBER_CHARS || !text.chars().all(digits) {
        return Err(refused());
    }
    jaq_core::ValT::from_num(text).map_err(|_| refused())
}
