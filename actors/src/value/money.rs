//! Money: whole minor units of a currency (ISO 4217).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::shown;

/// The largest amount: what every JSON reader can hold exactly (2^53 - 1).
const MAX_AMOUNT: i64 = 9_007_199_254_740_991;

/// An amount or currency that cannot be taken, or money that does not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a currency that money can be spent in.
    #[error("`{text}` is not a currency: use an ISO 4217 code of three capital letters, like `USD` or `CRC`")]
    UnknownCurrency {
        /// What was given.
        text: String,
    },
    /// Below zero, or more than can be held exactly.
    #[error("`{amount}` cannot be an amount: use whole minor units from 0 to {MAX_AMOUNT}")]
    OutOfRange {
        /// What was given.
        amount: i64,
    },
    /// Two currencies in one calculation.
    #[error("`{left}` and `{right}` cannot be put together: use one currency")]
    CurrencyMismatch {
        /// The one.
        left: Currency,
        /// The other.
        right: Currency,
    },
    /// A split without anybody to give to.
    #[error("an amount cannot be split by {count} weights with the sum {sum}: give weights above 0")]
    NoWeights {
        /// How many weights there are.
        count: usize,
        /// Their sum.
        sum: u64,
    },
}

/// A currency that is spent in minor units: funds, metals and test codes are none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "&'static str")]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The three letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// The decimal places of the main unit: 2 for USD, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let known = iso_currency::Currency::from_code(text);
        let spendable = known.filter(|c| c.exponent().is_some() && !c.is_fund() && !c.is_special());
        spendable.map(Self).ok_or_else(|| MoneyError::UnknownCurrency { text: shown(text) })
    }
}

impl TryFrom<Cow<'_, str>> for Currency {
    type Error = MoneyError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Currency> for &'static str {
    fn from(currency: Currency) -> Self {
        currency.code()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl JsonSchema for Currency {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 code" })
    }
}

/// The wire form of money, before its amount is checked.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MoneyParts {
    /// The amount in minor units: 12550 is 125.50 USD.
    amount_minor: i64,
    /// The currency.
    currency: Currency,
}

/// An amount that is not negative, in whole minor units: `{ "amountMinor": 12550, "currency": "USD" }`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "MoneyParts", into = "MoneyParts")]
pub struct Money {
    amount_minor: i64,
    currency: Currency,
}

impl Money {
    /// Makes money of minor units.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`].
    pub fn new(amount_minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if !(0..=MAX_AMOUNT).contains(&amount_minor) {
            return Err(MoneyError::OutOfRange { amount: amount_minor });
        }
        Ok(Self { amount_minor, currency })
    }

    /// No money, in a currency.
    pub const fn zero(currency: Currency) -> Self {
        Self { amount_minor: 0, currency }
    }

    /// The amount in minor units.
    pub const fn amount_minor(self) -> i64 {
        self.amount_minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// True if there is none.
    pub const fn is_zero(self) -> bool {
        self.amount_minor == 0
    }

    /// Both together.
    ///
    /// # Errors
    ///
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::OutOfRange`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::new(self.amount_minor.saturating_add(other.amount_minor), self.currency)
    }

    /// True if this is more than the other.
    ///
    /// # Errors
    ///
    /// [`MoneyError::CurrencyMismatch`].
    pub fn exceeds(self, other: Self) -> Result<bool, MoneyError> {
        self.same_currency(other)?;
        Ok(self.amount_minor > other.amount_minor)
    }

    /// Splits it by weights, so that the parts add up to it exactly.
    ///
    /// The largest-remainder method (Hamilton): everyone gets the whole part of the share, and what is left goes
    /// unit by unit to the largest remainders; equal ones in their order.
    ///
    /// # Errors
    ///
    /// [`MoneyError::NoWeights`].
    pub fn split(self, weights: &[u32]) -> Result<Vec<Self>, MoneyError> {
        let sum: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        if sum == 0 {
            return Err(MoneyError::NoWeights { count: weights.len(), sum });
        }
        let (amount, total) = (i128::from(self.amount_minor), i128::from(sum));
        let share = |weight: &u32| amount * i128::from(*weight);
        let mut parts: Vec<i128> = weights.iter().map(|w| share(w) / total).collect();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by_key(|i| (std::cmp::Reverse(share(&weights[*i]) % total), *i));
        let left = amount - parts.iter().sum::<i128>();
        let left = usize::try_from(left).expect("what is left is below the number of parts");
        for i in &order[..left] {
            parts[*i] += 1;
        }
        let money = |part: i128| {
            let amount_minor = i64::try_from(part).expect("a part is at most the whole");
            Self { amount_minor, currency: self.currency }
        };
        Ok(parts.into_iter().map(money).collect())
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency });
        }
        Ok(())
    }
}

impl TryFrom<MoneyParts> for Money {
    type Error = MoneyError;

    fn try_from(parts: MoneyParts) -> Result<Self, MoneyError> {
        Self::new(parts.amount_minor, parts.currency)
    }
}

impl From<Money> for MoneyParts {
    fn from(money: Money) -> Self {
        Self { amount_minor: money.amount_minor, currency: money.currency }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = self.currency.exponent();
        let unit = 10_i64.pow(exponent);
        write!(f, "{}", self.amount_minor / unit)?;
        if exponent > 0 {
            write!(f, ".{:0width$}", self.amount_minor % unit, width = exponent as usize)?;
        }
        write!(f, " {}", self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl JsonSchema for Money {
    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = MoneyParts::json_schema(generator);
        schema.insert("description".to_owned(), "An amount in whole minor units".into());
        if let Some(amount) = schema.pointer_mut("/properties/amountMinor").and_then(|s| s.as_object_mut()) {
            amount.insert("minimum".to_owned(), 0.into());
            amount.insert("maximum".to_owned(), MAX_AMOUNT.into());
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money::new(amount, code.parse().unwrap()).unwrap()
    }

    #[test]
    fn it_is_shown_in_main_units() {
        assert_eq!(money(12_550, "USD").to_string(), "125.50 USD");
        assert_eq!(money(7, "KWD").to_string(), "0.007 KWD");
        assert_eq!(money(12_550, "JPY").to_string(), "12550 JPY");
    }

    #[test]
    fn what_is_no_money_is_refused() {
        for text in ["usd", "XXX", "XAU", "BTC", ""] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
        let read = |text: &str| serde_json::from_str::<Money>(text);
        assert!(read(r#"{"amountMinor":-1,"currency":"USD"}"#).is_err());
        assert!(read(r#"{"amountMinor":1.5,"currency":"USD"}"#).is_err());
        assert!(read(r#"{"amountMinor":1,"currency":"USD","tip":1}"#).is_err());
        assert_eq!(read(r#"{"amountMinor":1,"currency":"CRC"}"#).unwrap(), money(1, "CRC"));
        assert!(money(1, "USD").plus(money(1, "EUR")).is_err());
    }

    #[test]
    fn what_is_left_goes_to_the_largest_remainders() {
        let amounts = |parts: Vec<Money>| parts.into_iter().map(Money::amount_minor).collect::<Vec<_>>();
        assert_eq!(amounts(money(100, "USD").split(&[1, 1, 1]).unwrap()), [34, 33, 33]);
        assert_eq!(amounts(money(10, "USD").split(&[6, 3, 0, 1]).unwrap()), [6, 3, 0, 1]);
        assert_eq!(amounts(money(1, "USD").split(&[1, 2]).unwrap()), [0, 1]);
        assert!(money(1, "USD").split(&[]).is_err());
        assert!(money(1, "USD").split(&[0]).is_err());
    }

    proptest! {
        #[test]
        fn splits_lose_nothing(
            amount in 0..=MAX_AMOUNT,
            weights in proptest::collection::vec(any::<u32>(), 1..20),
        ) {
            prop_assume!(weights.iter().any(|w| *w > 0));
            let whole = money(amount, "USD");
            let parts = whole.split(&weights).unwrap();
            let zero = Money::zero(whole.currency());
            let sum = parts.iter().try_fold(zero, |sum, part| sum.plus(*part)).unwrap();
            prop_assert_eq!(sum, whole);
            let none = parts.iter().zip(&weights).filter(|(_, w)| **w == 0);
            prop_assert!(none.clone().all(|(part, _)| part.is_zero()));
            prop_assert_eq!(parts, whole.split(&weights).unwrap());
        }
    }
}
