//! JSON: one value out of a request's bytes, read strictly.
//!
//! Refused as malformed: whatever JSON forbids, a duplicate key, a byte order mark, anything after the value.
//! Numbers are integers of 64 bits, since nothing here counts in fractions; strings hold no control characters
//! and nothing that turns the direction of writing (a name must not read as another).

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::problem::{FieldError, Problem};
use crate::text::flaw;

/// How deep arrays and objects may lie in each other.
const DEEPEST: usize = 32;
/// How many values a body may have, all levels together.
const MOST_VALUES: usize = 10_000;
/// The longest string, in characters.
const LONGEST_STRING: usize = 16 * 1024;

/// Reads one value, and tells what is wrong with the numbers and strings in it.
///
/// # Errors
/// `malformed-body` with the offset, or `limits-exceeded`.
pub fn read(bytes: &[u8]) -> Result<(Value, Vec<FieldError>), Problem> {
    let reader = Reader::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = Node { reader: &reader, depth: 1 }.deserialize(&mut json).and_then(|value| {
        json.end()?;
        Ok(value)
    });
    let mut findings = reader.findings.take();
    match read {
        Ok(value) => Ok((value, findings)),
        Err(error) if error.to_string().starts_with("number out of range") => {
            findings.push(out_of_range(reader.pointer.take().to_string()));
            Ok((Value::Null, findings))
        }
        Err(error) => Err(match reader.exceeded.take() {
            Some(limit) => Problem::limits_exceeded(limit),
            None => Problem::malformed_body(
                reason(&error),
                offset(bytes, &error),
                reader.pointer.take().to_string(),
            ),
        }),
    }
}

fn out_of_range(pointer: String) -> FieldError {
    FieldError::at(pointer, "out-of-range", "is no integer of 64 bits, written without fraction or exponent")
}

/// The sentence without its line and column: the offset says where.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).to_owned()
}

fn offset(bytes: &[u8], error: &serde_json::Error) -> usize {
    let before = error.line().saturating_sub(1);
    let line: usize = bytes.split_inclusive(|&byte| byte == b'\n').take(before).map(<[u8]>::len).sum();
    (line + error.column().saturating_sub(1)).min(bytes.len())
}

/// Where in the value the reader is, as a JSON pointer.
#[derive(Default)]
struct Pointer(Vec<String>);

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

#[derive(Default)]
struct Reader {
    pointer: RefCell<Pointer>,
    values: Cell<usize>,
    findings: RefCell<Vec<FieldError>>,
    exceeded: Cell<Option<String>>,
}

impl Reader {
    fn exceeded<E: serde::de::Error>(&self, limit: String) -> E {
        self.exceeded.set(Some(limit));
        E::custom("a limit is exceeded")
    }

    fn found(&self, finding: impl FnOnce(String) -> FieldError) {
        let pointer = self.pointer.borrow().to_string();
        self.findings.borrow_mut().push(finding(pointer));
    }

    fn text<E: serde::de::Error>(&self, text: &str) -> Result<(), E> {
        if text.chars().nth(LONGEST_STRING).is_some() {
            return Err(self.exceeded(format!("a string has more than {LONGEST_STRING} characters")));
        }
        if let Some(flaw) = flaw(text) {
            self.found(|pointer| FieldError::at(pointer, "text", flaw));
        }
        Ok(())
    }

    /// Enters an element; its step stays where it is if the element cannot be read, and tells where that was.
    fn enter(&self, step: String) {
        self.pointer.borrow_mut().0.push(step);
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > MOST_VALUES {
            return Err(self.exceeded(format!("the body has more than {MOST_VALUES} values")));
        }
        Ok(())
    }

    fn leave(&self) {
        self.pointer.borrow_mut().0.pop();
    }
}

#[derive(Clone, Copy)]
struct Node<'a> {
    reader: &'a Reader,
    depth: usize,
}

impl Node<'_> {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth > DEEPEST {
            return Err(self.reader.exceeded(format!("the body is more than {DEEPEST} levels deep")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn number<N: Into<serde_json::Number>>(self, number: Option<N>) -> Value {
        number.map_or_else(
            || {
                self.reader.found(out_of_range);
                Value::from(0)
            },
            |number| Value::Number(number.into()),
        )
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.reader.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(self.number(i64::try_from(value).ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(self.number(None::<i64>))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.reader.text(text)?;
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut array = Vec::new();
        loop {
            self.reader.enter(array.len().to_string());
            let item = items.next_element_seed(inside)?;
            self.reader.leave();
            match item {
                Some(item) => array.push(item),
                None => return Ok(Value::Array(array)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.reader.enter(key.clone());
            self.reader.text(&key)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom("a key stands twice in one object"));
            }
            let value = members.next_value_seed(inside)?;
            self.reader.leave();
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(json: impl AsRef<[u8]>) -> String {
        match read(json.as_ref()) {
            Ok((_, findings)) => findings.iter().map(|f| format!("{} {}", f.code, f.place())).collect(),
            Err(problem) => problem.code.clone(),
        }
    }

    #[test]
    fn takes_what_json_is() {
        let text = r#"{"a":[1,-2,true,null,"é\u0041"],"b":{"c":9223372036854775807}}"#;
        let (value, findings) = read(text.as_bytes()).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(findings, vec![]);
    }

    #[test]
    fn refuses_what_json_is_not() {
        for text in [
            "",
            "{",
            "{]",
            "\u{feff}{}",
            "NaN",
            "[1] x",
            "{}{}",
            "{\"a\":1,\"a\":2}",
            "{'a':1}",
            "[1,]",
            "01",
            "\"\\ud800\"",
            "\"\n\"",
            "tru",
        ] {
            assert_eq!(code(text), "malformed-body", "{text}");
        }
        assert_eq!(code(b"\"\xc0\xaf\""), "malformed-body", "overlong");
        assert_eq!(code(b"\"\xff\""), "malformed-body", "no UTF-8");
    }

    #[test]
    fn says_where_it_stumbled() {
        let problem = read(b"{\"lines\": [\n  {\"a\": 1,\n   \"a\": nope}]}").unwrap_err();
        assert_eq!((problem.offset, problem.pointer.as_deref()), (Some(28), Some("/lines/0/a")));
        let problem = read(b"{\"a\": 1, \"a\": 2}").unwrap_err();
        assert_eq!(problem.pointer.as_deref(), Some("/a"));
    }

    #[test]
    fn numbers_are_integers_of_64_bits() {
        for number in
            ["1.5", "1e2", "1e400", "-0", "-0.0", "9223372036854775808", "123456789012345678901234567890"]
        {
            assert_eq!(code(format!("{{\"x\":[{number}]}}")), "out-of-range /x/0", "{number}");
        }
    }

    #[test]
    fn strings_and_keys_hide_nothing() {
        for text in ["\\u0000", "\\u0007", "\\u001b", "\\n", "\u{7f}", "\u{202e}", "\u{2066}"] {
            assert_eq!(code(format!("{{\"x\":\"a{text}\"}}")), "text /x", "{text:?}");
        }
        assert_eq!(code("{\"x\":{\"a\\u0000\":1}}"), "text /x");
    }

    #[test]
    fn has_limits() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(code(nested(32)), "");
        assert_eq!(code(nested(33)), "limits-exceeded");
        assert_eq!(code("[".repeat(60_000)), "limits-exceeded");
        assert_eq!(code(format!("[{}0]", "0,".repeat(9_998))), "");
        assert_eq!(code(format!("[{}0]", "0,".repeat(9_999))), "limits-exceeded");
        assert_eq!(code(format!("\"{}\"", "あ".repeat(LONGEST_STRING))), "");
        assert_eq!(code(format!("\"{}\"", "x".repeat(LONGEST_STRING + 1))), "limits-exceeded");
    }
}
