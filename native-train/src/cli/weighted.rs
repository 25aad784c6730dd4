//! `PATH=NUMBER` on the command line: a path with an optional weight.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::builder::{OsStringValueParser, TypedValueParser};

/// A path with its weight among several.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted {
    /// The path.
    pub path: PathBuf,
    /// The number after the last `=`, above 0.
    pub weight: Option<f64>,
}

impl Weighted {
    /// Parses an argument. A path that exists as it stands has no weight, nor does a text whose
    /// last `=` is not followed by a number.
    ///
    /// # Errors
    /// A weight that is not above 0 or not finite.
    pub fn parse(text: OsString) -> Result<Self, String> {
        let path = PathBuf::from(&text);
        let split = text.to_str().and_then(|text| text.rsplit_once('=')).filter(|(path, _)| !path.is_empty());
        if let Some((path, number)) = split.filter(|_| !path.exists())
            && let Ok(weight) = number.parse::<f64>()
        {
            if !(weight.is_finite() && weight > 0.0) {
                return Err(format!("found the weight {weight} for {path}; a number above 0 was expected"));
            }
            return Ok(Self { path: path.into(), weight: Some(weight) });
        }
        Ok(Self { path, weight: None })
    }

    /// [`parse`](Self::parse) for clap.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(Self::parse)
    }
}

/// The weights of all: those given, or 1 for each where none is.
///
/// # Errors
/// When only some have one. `flag` names them in the error.
pub fn weights(all: &[Weighted], flag: &str) -> Result<Vec<f64>> {
    let without = all.iter().find(|one| one.weight.is_none());
    if let Some(one) = without {
        ensure!(
            all.iter().all(|one| one.weight.is_none()),
            "{flag} {0}: expected a weight, such as {0}=0.5, if any of them has one",
            one.path.display()
        );
    }
    Ok(all.iter().map(|one| one.weight.unwrap_or(1.0)).collect())
}

/// The same weights with a sum of 1.
pub fn normalized(weights: &[f64]) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}
