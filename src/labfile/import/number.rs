//! Numbers: Ruby's methods on them.

use std::cmp::Ordering;

use super::eval::{Eval, Walk};
use super::methods::compare;
use super::value::Value;

impl Eval<'_> {
    pub(super) fn number_method(
        &mut self,
        receiver: &Value,
        method: &str,
        arguments: &[Value],
    ) -> Walk<Option<Value>> {
        let whole = |number: Option<i64>| number.map(Value::Int);
        if let (Value::Int(a), [Value::Int(b)]) = (receiver, arguments) {
            let value = match method {
                "+" => whole(a.checked_add(*b)),
                "-" => whole(a.checked_sub(*b)),
                "*" => whole(a.checked_mul(*b)),
                "/" | "div" => whole(
                    a.checked_div(*b).map(|q| if a % b != 0 && (a < &0) != (b < &0) { q - 1 } else { q }),
                ),
                "%" | "modulo" => {
                    whole(a.checked_rem(*b).map(|r| if r != 0 && (r < 0) != (b < &0) { r + b } else { r }))
                }
                "fdiv" => Some(Value::Float(*a as f64 / *b as f64)),
                "divmod" if *b > 0 => {
                    Some(Value::pair(Value::Int(a.div_euclid(*b)), Value::Int(a.rem_euclid(*b))))
                }
                "**" | "pow" => whole(u32::try_from(*b).ok().and_then(|b| a.checked_pow(b))),
                "&" => Some(Value::Int(a & b)),
                "|" => Some(Value::Int(a | b)),
                "^" => Some(Value::Int(a ^ b)),
                "<<" => whole(u32::try_from(*b).ok().filter(|b| *b < 62).and_then(|b| a.checked_mul(1 << b))),
                ">>" => whole(u32::try_from(*b).ok().filter(|b| *b < 64).map(|b| a >> b)),
                "upto" if a <= b => {
                    return Ok(Some(Value::list(self.counted(&(Value::Int(*a), Value::Int(*b), false))?)));
                }
                "downto" if a >= b => {
                    let mut numbers = self.counted(&(Value::Int(*b), Value::Int(*a), false))?;
                    numbers.reverse();
                    return Ok(Some(Value::list(numbers)));
                }
                "upto" | "downto" => Some(Value::list(Vec::new())),
                "to_s" if (2..=36).contains(b) => {
                    u32::try_from(*b).ok().map(|radix| Value::text(in_radix(*a, radix)))
                }
                "rjust" | "ljust" => None,
                _ => None,
            };
            if value.is_some() {
                return Ok(value);
            }
        }
        let order = |other: &Value| compare(receiver, other);
        Ok(match (method, arguments) {
            ("times", []) => {
                let range = (Value::Int(0), receiver.clone(), true);
                Some(Value::list(self.counted(&range)?))
            }
            ("step", [last, step]) => Some(self.stepped(receiver, last, step)?),
            ("<", [other]) => order(other).map(|order| Value::Bool(order == Ordering::Less)),
            (">", [other]) => order(other).map(|order| Value::Bool(order == Ordering::Greater)),
            ("<=", [other]) => order(other).map(|order| Value::Bool(order != Ordering::Greater)),
            (">=", [other]) => order(other).map(|order| Value::Bool(order != Ordering::Less)),
            ("to_i" | "to_int" | "truncate", []) => whole(receiver.number()),
            ("ord", []) => Some(receiver.clone()),
            ("chr", []) => receiver
                .number()
                .and_then(|n| u8::try_from(n).ok())
                .filter(u8::is_ascii)
                .map(|n| Value::text(char::from(n).to_string())),
            ("to_f", []) => receiver.float().map(Value::Float),
            ("floor" | "ceil" | "round", []) => match receiver {
                Value::Float(number) if number.abs() < 1e15 => Some(Value::Int(match method {
                    "floor" => number.floor(),
                    "ceil" => number.ceil(),
                    _ => number.round(),
                } as i64)),
                Value::Int(_) => Some(receiver.clone()),
                _ => None,
            },
            ("round", [Value::Int(digits)]) if (0..10).contains(digits) => match receiver {
                Value::Float(number) => {
                    let by = 10_f64.powi(i32::try_from(*digits).unwrap_or(0));
                    Some(Value::Float((number * by).round() / by))
                }
                other => Some(other.clone()),
            },
            ("succ" | "next", []) => whole(receiver.number().and_then(|n| n.checked_add(1))),
            ("pred", []) => whole(receiver.number().and_then(|n| n.checked_sub(1))),
            ("abs", []) => match receiver {
                Value::Int(number) => whole(number.checked_abs()),
                other => other.float().map(|number| Value::Float(number.abs())),
            },
            ("-@", []) => match receiver {
                Value::Int(number) => whole(number.checked_neg()),
                other => other.float().map(|number| Value::Float(-number)),
            },
            ("+@", []) => Some(receiver.clone()),
            ("zero?", []) => receiver.float().map(|number| Value::Bool(number == 0.0)),
            ("positive?", []) => receiver.float().map(|number| Value::Bool(number > 0.0)),
            ("negative?", []) => receiver.float().map(|number| Value::Bool(number < 0.0)),
            ("even?", []) => receiver.number().map(|number| Value::Bool(number % 2 == 0)),
            ("odd?", []) => receiver.number().map(|number| Value::Bool(number % 2 != 0)),
            ("integer?", []) => Some(Value::Bool(matches!(receiver, Value::Int(_)))),
            ("[]", [Value::Int(bit)]) => u32::try_from(*bit)
                .ok()
                .filter(|bit| *bit < 63)
                .and_then(|bit| Some(Value::Int((receiver.number()? >> bit) & 1))),
            ("digits", []) => receiver.number().filter(|number| *number >= 0).map(|number| {
                Value::list(
                    number
                        .to_string()
                        .bytes()
                        .rev()
                        .map(|digit| Value::Int(i64::from(digit - b'0')))
                        .collect(),
                )
            }),
            ("+" | "-" | "*" | "/" | "**" | "%" | "fdiv", [other]) => match (receiver.float(), other.float())
            {
                (Some(a), Some(b)) => Some(Value::Float(match method {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "**" => a.powf(b),
                    "%" => a.rem_euclid(b),
                    _ => a / b,
                })),
                _ => None,
            },
            _ => None,
        })
    }

    /// From one number in steps to another.
    pub(super) fn stepped(&mut self, first: &Value, last: &Value, step: &Value) -> Walk {
        let (Value::Int(first), Value::Int(last), Value::Int(step)) = (first, last, step) else {
            return Ok(Value::unknown("`step` is not run on these"));
        };
        let mut numbers = Vec::new();
        let mut number = *first;
        while *step != 0 && ((*step > 0 && number <= *last) || (*step < 0 && number >= *last)) {
            self.worked(1)?;
            numbers.push(Value::Int(number));
            number = number.saturating_add(*step);
        }
        Ok(Value::list(numbers))
    }
}

pub(super) fn in_radix(number: i64, radix: u32) -> String {
    let mut digits = Vec::new();
    let mut rest = number.unsigned_abs();
    loop {
        let digit = u32::try_from(rest % u64::from(radix)).unwrap_or(0);
        digits.push(char::from_digit(digit, radix).unwrap_or('?'));
        rest /= u64::from(radix);
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        digits.push('-');
    }
    digits.iter().rev().collect()
}
