//! What the structured targets draw from the fuzzer's bytes.
#![allow(dead_code, reason = "each target draws its part of this")]

use crate::reference::earth::Degrees;
use arbitrary::{Result, Unstructured};
use whisperchat::geo::MAX_RANGE_KM;

/// Poles, both names of the date line, antipodes, and a town.
const LANDMARKS_DEG: [(f64, f64); 8] = [
    (90.0, 0.0),
    (-90.0, 0.0),
    (0.0, 0.0),
    (0.0, 180.0),
    (-16.0, 180.0),
    (-16.0, -180.0),
    (48.85, 2.35),
    (-48.85, -177.65),
];

/// A landmark, or somewhere from centimetres to hundreds of km off it.
pub(crate) fn place(bytes: &mut Unstructured) -> Result<Degrees> {
    let (lat, lon) = *bytes.choose(&LANDMARKS_DEG)?;
    near(bytes, Degrees { lat, lon })
}

/// There, or from centimetres to hundreds of km off.
pub(crate) fn near(bytes: &mut Unstructured, at: Degrees) -> Result<Degrees> {
    let mut off =
        || Ok(f64::from(bytes.arbitrary::<i8>()?) * *bytes.choose(&[0.0, 1e-6, 1e-3, 1.0])?);
    let (lat, lon): (f64, f64) = (at.lat + off()?, at.lon + off()?);
    Ok(Degrees {
        lat: lat.clamp(-90.0, 90.0),
        lon: if lon.abs() > 180.0 {
            lon - 360.0_f64.copysign(lon)
        } else {
            lon
        },
    })
}

/// From a metre to the whole planet, each order of magnitude as often.
pub(crate) fn range_km(bytes: &mut Unstructured) -> Result<f64> {
    let log = f64::from(bytes.arbitrary::<u8>()?) / 255.0 * 7.4 - 3.0;
    Ok(10.0_f64.powf(log).min(MAX_RANGE_KM))
}

/// An index that counts round whatever there is.
pub(crate) fn index(bytes: &mut Unstructured) -> Result<usize> {
    bytes.arbitrary::<u8>().map(usize::from)
}
