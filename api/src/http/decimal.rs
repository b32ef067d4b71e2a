//! Decimals: beside each amount of money in an answer stands the same as a decimal text.
//!
//! `{"amount": 1234, "currency": "USD", "decimal": "12.34"}`: libraries disagree on how many decimal places a currency
//! has, so clients are told. It is written on the way out, here alone: tables and events hold what they held, events
//! are shown as they were recorded, and on the way in a `decimal` is an unknown field.

use domain::money::{Currency, Money};
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Value;

/// Anything, with decimals.
pub struct WithDecimals<'a, T: ?Sized>(pub &'a T);

impl<T: Serialize + ?Sized> Serialize for WithDecimals<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Decimals(serializer))
    }
}

/// A serializer that adds them; all else it passes on.
struct Decimals<S>(S);

macro_rules! pass_on {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $name(self $(, $argument: $type)*) -> Result<S::Ok, S::Error> {
            self.0.$name($($argument),*)
        }
    )*};
}

impl<S: Serializer> Serializer for Decimals<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Decimals<S::SerializeSeq>;
    type SerializeTuple = Decimals<S::SerializeTuple>;
    type SerializeTupleStruct = Decimals<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Decimals<S::SerializeTupleVariant>;
    type SerializeMap = Decimals<S::SerializeMap>;
    type SerializeStruct = Fields<S::SerializeStruct>;
    type SerializeStructVariant = Decimals<S::SerializeStructVariant>;

    pass_on! {
        serialize_bool(v: bool);
        serialize_i8(v: i8);
        serialize_i16(v: i16);
        serialize_i32(v: i32);
        serialize_i64(v: i64);
        serialize_i128(v: i128);
        serialize_u8(v: u8);
        serialize_u16(v: u16);
        serialize_u32(v: u32);
        serialize_u64(v: u64);
        serialize_u128(v: u128);
        serialize_f32(v: f32);
        serialize_f64(v: f64);
        serialize_char(v: char);
        serialize_str(v: &str);
        serialize_bytes(v: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&WithDecimals(value))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &WithDecimals(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &WithDecimals(value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.0.serialize_seq(length).map(Decimals)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.0.serialize_tuple(length).map(Decimals)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.0.serialize_tuple_struct(name, length).map(Decimals)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.0.serialize_tuple_variant(name, index, variant, length).map(Decimals)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.0.serialize_map(length).map(Decimals)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        let is_money = name == "Money" && length == 2;
        let inner = self.0.serialize_struct(name, length + usize::from(is_money))?;
        Ok(Fields { inner, money: is_money.then_some((None, None)) })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0.serialize_struct_variant(name, index, variant, length).map(Decimals)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// The fields of a struct; of money, what they say.
struct Fields<S> {
    inner: S,
    money: Option<(Option<i64>, Option<Currency>)>,
}

impl<S: SerializeStruct> SerializeStruct for Fields<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        if let Some((amount, currency)) = &mut self.money {
            match (key, serde_json::to_value(value)) {
                ("amount", Ok(Value::Number(number))) => *amount = number.as_i64(),
                ("currency", Ok(Value::String(code))) => *currency = code.parse().ok(),
                _ => {}
            }
        }
        self.inner.serialize_field(key, &WithDecimals(value))
    }

    fn end(mut self) -> Result<S::Ok, S::Error> {
        if let Some((Some(amount), Some(currency))) = self.money {
            self.inner.serialize_field("decimal", &Money::new(amount, currency).decimal())?;
        }
        self.inner.end()
    }
}

macro_rules! compound {
    ($($trait:ident::$element:ident($($key:ident: $type:ty)?);)*) => {$(
        impl<S: $trait> $trait for Decimals<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $element<T: Serialize + ?Sized>(&mut self, $($key: $type,)? value: &T) -> Result<(), S::Error> {
                self.0.$element($($key,)? &WithDecimals(value))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )*};
}

compound! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStructVariant::serialize_field(key: &'static str);
}

impl<S: SerializeMap> SerializeMap for Decimals<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&WithDecimals(value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::value::RawValue;

    use super::WithDecimals;
    use domain::money::{Currency, Money};

    #[derive(Serialize)]
    struct Inner {
        paid: Option<Money>,
    }

    #[derive(Serialize)]
    #[serde(tag = "kind")]
    enum Told {
        Captured { amount: Money },
    }

    #[derive(Serialize)]
    struct Row {
        id: u8,
        #[serde(flatten)]
        inner: Inner,
        prices: Vec<Money>,
        told: Told,
        by_name: BTreeMap<&'static str, Money>,
        /// Not money, whatever it has.
        amount: i64,
        currency: Currency,
        event: Box<RawValue>,
    }

    #[test]
    fn stand_beside_every_amount_and_nowhere_else() {
        let usd = Money::new(1234, Currency::USD);
        let recorded = r#"{"type":"Paid",  "amount":{"amount":1,"currency":"USD"}}"#;
        let row = Row {
            id: 1,
            inner: Inner { paid: Some(Money::new(-5, Currency::EUR)) },
            prices: vec![Money::new(500, Currency::JPY), Money::new(1, "KWD".parse().unwrap())],
            told: Told::Captured { amount: usd },
            by_name: [("list", usd)].into(),
            amount: 7,
            currency: Currency::USD,
            event: RawValue::from_string(recorded.to_owned()).unwrap(),
        };
        assert_eq!(
            serde_json::to_string(&WithDecimals(&row)).unwrap(),
            [
                r#"{"id":1,"paid":{"amount":-5,"currency":"EUR","decimal":"-0.05"},"#,
                r#""prices":[{"amount":500,"currency":"JPY","decimal":"500"},"#,
                r#"{"amount":1,"currency":"KWD","decimal":"0.001"}],"#,
                r#""told":{"kind":"Captured","amount":{"amount":1234,"currency":"USD","decimal":"12.34"}},"#,
                r#""by_name":{"list":{"amount":1234,"currency":"USD","decimal":"12.34"}},"#,
                r#""amount":7,"currency":"USD","event":"#,
                recorded,
                "}",
            ]
            .concat()
        );
    }

    #[test]
    fn are_never_read() {
        let sent = r#"{"amount":1234,"currency":"USD","decimal":"12.34"}"#;
        assert!(serde_json::from_str::<Money>(sent).is_err());
    }
}
