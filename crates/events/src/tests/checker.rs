//! As much of JSON Schema as the documents in `docs/events/schema/` use. Any other keyword is a
//! panic, so that nothing is silently left unchecked.

use std::cell::RefCell;
use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

/// Reads values against schemas.
pub(super) struct Checker {
    /// By the names of their files, which they refer to each other by.
    schemas: BTreeMap<String, Value>,
    /// Those that were needed so far.
    expressions: RefCell<BTreeMap<String, Regex>>,
}

impl Checker {
    pub(super) fn new(documents: impl IntoIterator<Item = (String, String)>) -> Self {
        let read = |(name, text): (String, String)| (name, serde_json::from_str(&text).unwrap());
        Self { schemas: documents.into_iter().map(read).collect(), expressions: RefCell::default() }
    }

    /// Whether a value is what this file describes; where and why not.
    pub(super) fn check(&self, file: &str, value: &Value) -> Result<(), String> {
        self.whole(file, &self.schemas[file], value)
    }

    fn whole(&self, file: &str, schema: &Value, value: &Value) -> Result<(), String> {
        let Value::Object(rules) = schema else {
            let any = schema.as_bool().unwrap();
            return any.then_some(()).ok_or_else(|| format!("nothing stands here, but {value}"));
        };
        for (keyword, rule) in rules {
            let found = match self.plain(keyword, rule, value) {
                Some(true) => Ok(()),
                Some(false) => Err(format!("{value} is not of {keyword} {rule}")),
                None => self.nested(file, rules, keyword, value),
            };
            found?;
        }
        Ok(())
    }

    fn nested(
        &self,
        file: &str,
        rules: &serde_json::Map<String, Value>,
        keyword: &str,
        value: &Value,
    ) -> Result<(), String> {
        let rule = &rules[keyword];
        let fits = |schema: &Value| self.whole(file, schema, value);
        match keyword {
            "$ref" => {
                let text = rule.as_str().unwrap();
                let (to, path) = text.split_once('#').unwrap_or((text, ""));
                self.whole(to, self.schemas[to].pointer(path).unwrap(), value)
            }
            "oneOf" => {
                let fitting = list(rule).iter().filter(|one| fits(one).is_ok()).count();
                (fitting == 1).then_some(()).ok_or_else(|| format!("{value} fits {fitting} ways"))
            }
            "allOf" => list(rule).iter().try_for_each(fits),
            "if" if fits(rule).is_ok() => fits(&rules["then"]),
            "if" => Ok(()),
            "properties" => fields(value).into_iter().try_for_each(|(name, part)| {
                let known = rule.get(name).unwrap_or(&Value::Bool(true));
                self.whole(file, known, part).map_err(|error| format!("{name}: {error}"))
            }),
            "additionalProperties" => {
                let mut others = fields(value).into_iter();
                let known = |name: &str| rules["properties"].get(name).is_some();
                others.try_for_each(
                    |(name, part)| {
                        if known(name) { Ok(()) } else { self.whole(file, rule, part) }
                    },
                )
            }
            "prefixItems" => {
                let mut pairs = list(rule).iter().zip(items(value));
                pairs.try_for_each(|(rule, item)| self.whole(file, rule, item))
            }
            "items" => {
                let before = rules.get("prefixItems").map_or(0, |prefix| list(prefix).len());
                items(value).iter().skip(before).try_for_each(|item| self.whole(file, rule, item))
            }
            other => panic!("{file}: {other} is not checked here"),
        }
    }

    /// What the rules without schemas inside say; `None` for the others.
    fn plain(&self, keyword: &str, rule: &Value, value: &Value) -> Option<bool> {
        let text = || rule.as_str().unwrap();
        let at_least = |found: Option<i128>| found.is_none_or(|n| n >= number(rule).unwrap());
        Some(match keyword {
            // What `then` says is asked where `if` is.
            "$schema" | "title" | "description" | "$defs" | "then" => true,
            "type" => match text() {
                "null" => value.is_null(),
                "string" => value.is_string(),
                "integer" => number(value).is_some(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("no value here is of type {other}"),
            },
            "const" => value == rule,
            "enum" => list(rule).contains(value),
            "pattern" => value.as_str().is_none_or(|v| self.matches(text(), v)),
            "minimum" => at_least(number(value)),
            "maximum" => number(value).is_none_or(|n| n <= number(rule).unwrap()),
            "minItems" => at_least(value.as_array().map(|items| items.len().try_into().unwrap())),
            "required" => {
                let known = |name: &Value| value.get(name.as_str().unwrap()).is_some();
                !value.is_object() || list(rule).iter().all(known)
            }
            _ => return None,
        })
    }

    fn matches(&self, pattern: &str, text: &str) -> bool {
        let mut known = self.expressions.borrow_mut();
        let expression = known.entry(pattern.to_owned());
        expression.or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
    }
}

fn number(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The items of a list; of anything else none.
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The fields of an object; of anything else none.
fn fields(value: &Value) -> Vec<(&String, &Value)> {
    value.as_object().map_or_else(Vec::new, |fields| fields.iter().collect())
}
