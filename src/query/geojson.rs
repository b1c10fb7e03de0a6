//! Whether some JSON is a GeoJSON object (RFC 7946).
//!
//! 1. A position is two or three numbers: longitude between −180 and 180, latitude between −90 and 90, and a height.
//! 2. A ring has four positions or more, and ends where it begins. Which way round it goes is not asked: readers are
//!    told to take both (section 3.1.6).
//! 3. What a type does not know it may have, but not the members of another type (section 7.1).
//!
//! It is a walk over a tree that is at hand already; a library would bring a second tree and its own reader.

use super::json::Json;
use super::pointer::Pointer;
use crate::base::limits::GEOMETRY_DEPTH_MAX;

/// Where in the object something is wrong, and what. It carries nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) at: Pointer,
    pub(super) why: &'static str,
}

type Checked = Result<(), Flaw>;

/// Checks one GeoJSON object.
pub(super) fn check(json: &Json) -> Checked {
    let at = Pointer::root();
    match kind(json, &at)? {
        "Feature" => feature(json, &at),
        "FeatureCollection" => {
            bounding_box(json, &at)?;
            lacks(
                json,
                &at,
                &["coordinates", "geometries", "geometry", "properties"],
            )?;
            let (features, at) = member(json, &at, "features")?;
            each(
                features,
                &at,
                "expected a list of features",
                |json, at| match kind(json, at)? {
                    "Feature" => feature(json, at),
                    _ => Err(flaw(at, "expected a Feature")),
                },
            )
        }
        _ => geometry(json, &at, GEOMETRY_DEPTH_MAX),
    }
}

fn flaw(at: &Pointer, why: &'static str) -> Flaw {
    let at = at.clone();
    Flaw { at, why }
}

fn kind<'j>(json: &'j Json, at: &Pointer) -> Result<&'j str, Flaw> {
    let Json::Object(_) = json else {
        return Err(flaw(at, "expected a GeoJSON object"));
    };
    let (kind, at) = member(json, at, "type")?;
    kind.as_str()
        .ok_or_else(|| flaw(&at, "expected the name of a GeoJSON type"))
}

fn member<'j>(
    json: &'j Json,
    at: &Pointer,
    key: &'static str,
) -> Result<(&'j Json, Pointer), Flaw> {
    let why = match key {
        "type" => "a GeoJSON object needs a `type`",
        "coordinates" => "this geometry needs `coordinates`",
        "geometries" => "a GeometryCollection needs `geometries`",
        "features" => "a FeatureCollection needs `features`",
        "geometry" => "a Feature needs a `geometry`, which may be null",
        _ => "a Feature needs `properties`, which may be null",
    };
    let found = json.member(key).ok_or_else(|| flaw(at, why))?;
    Ok((found, at.key(key)))
}

/// What defines another type may not stand here.
fn lacks(json: &Json, at: &Pointer, keys: &[&str]) -> Checked {
    match keys.iter().find(|key| json.member(key).is_some()) {
        Some(key) => Err(flaw(&at.key(key), "this GeoJSON type has no such member")),
        None => Ok(()),
    }
}

fn each(
    list: &Json,
    at: &Pointer,
    expected: &'static str,
    mut check: impl FnMut(&Json, &Pointer) -> Checked,
) -> Checked {
    let Json::Array(items) = list else {
        return Err(flaw(at, expected));
    };
    let mut items = items.iter().enumerate();
    items.try_for_each(|(index, item)| check(item, &at.index(index)))
}

fn feature(json: &Json, at: &Pointer) -> Checked {
    bounding_box(json, at)?;
    lacks(json, at, &["coordinates", "geometries", "features"])?;
    if let Some(id) = json.member("id")
        && !matches!(id, Json::String(_))
        && number(id).is_none()
    {
        return Err(flaw(
            &at.key("id"),
            "a Feature's `id` is a string or a number",
        ));
    }
    let (shape, at_shape) = member(json, at, "geometry")?;
    if *shape != Json::Null {
        geometry(shape, &at_shape, GEOMETRY_DEPTH_MAX)?;
    }
    match member(json, at, "properties")? {
        (Json::Object(_) | Json::Null, _) => Ok(()),
        (_, at) => Err(flaw(&at, "a Feature's `properties` are an object or null")),
    }
}

fn geometry(json: &Json, at: &Pointer, levels: usize) -> Checked {
    let kind = kind(json, at)?;
    let check: fn(&Json, &Pointer) -> Checked = match kind {
        "Point" => |json, at| position(json, at).map(|_| ()),
        "MultiPoint" => |json, at| positions(json, at, 0),
        "LineString" => line,
        "MultiLineString" => |json, at| {
            each(
                json,
                at,
                "expected a list of lines, each a list of positions",
                line,
            )
        },
        "Polygon" => polygon,
        "MultiPolygon" => |json, at| {
            each(
                json,
                at,
                "expected a list of polygons, each a list of rings",
                polygon,
            )
        },
        "GeometryCollection" => return collection(json, at, levels),
        _ => return Err(flaw(&at.key("type"), "there is no such GeoJSON type here")),
    };
    bounding_box(json, at)?;
    lacks(
        json,
        at,
        &["geometries", "geometry", "properties", "features"],
    )?;
    let (coordinates, at) = member(json, at, "coordinates")?;
    check(coordinates, &at)
}

fn collection(json: &Json, at: &Pointer, levels: usize) -> Checked {
    let Some(levels) = levels.checked_sub(1) else {
        return Err(flaw(at, "geometry collections nest too deep"));
    };
    bounding_box(json, at)?;
    lacks(
        json,
        at,
        &["coordinates", "geometry", "properties", "features"],
    )?;
    let (geometries, at) = member(json, at, "geometries")?;
    each(
        geometries,
        &at,
        "expected a list of geometries",
        |json, at| geometry(json, at, levels),
    )
}

/// A position; the numbers, so that two can be compared.
fn position(json: &Json, at: &Pointer) -> Result<Vec<f64>, Flaw> {
    const POSITION: &str = "a position is two or three numbers: longitude, latitude and height";
    let Json::Array(items) = json else {
        return Err(flaw(at, POSITION));
    };
    let numbers: Option<Vec<f64>> = items.iter().map(number).collect();
    let numbers = numbers.ok_or_else(|| flaw(at, POSITION))?;
    match numbers.as_slice() {
        [longitude, latitude] | [longitude, latitude, _] => {
            in_range(*longitude, *latitude, at)?;
            Ok(numbers)
        }
        _ => Err(flaw(at, POSITION)),
    }
}

fn in_range(longitude: f64, latitude: f64, at: &Pointer) -> Checked {
    if !(-180.0..=180.0).contains(&longitude) {
        return Err(flaw(at, "a longitude stands between -180 and 180"));
    }
    if !(-90.0..=90.0).contains(&latitude) {
        return Err(flaw(at, "a latitude stands between -90 and 90"));
    }
    Ok(())
}

fn number(json: &Json) -> Option<f64> {
    json.as_double().filter(|it| it.is_finite())
}

fn positions(json: &Json, at: &Pointer, least: usize) -> Checked {
    each(json, at, "expected a list of positions", |json, at| {
        position(json, at).map(|_| ())
    })?;
    match json {
        Json::Array(items) if items.len() < least => Err(flaw(
            at,
            match least {
                2 => "a line has two positions or more",
                _ => "a ring has four positions or more",
            },
        )),
        _ => Ok(()),
    }
}

fn line(json: &Json, at: &Pointer) -> Checked {
    positions(json, at, 2)
}

fn polygon(json: &Json, at: &Pointer) -> Checked {
    each(
        json,
        at,
        "expected a list of rings, each a list of positions",
        ring,
    )
}

fn ring(json: &Json, at: &Pointer) -> Checked {
    positions(json, at, 4)?;
    let Json::Array(items) = json else {
        return Ok(());
    };
    let ends = items.first().zip(items.last());
    let ends = ends.map(|(first, last)| Ok((position(first, at)?, position(last, at)?)));
    match ends.transpose()? {
        Some((first, last)) if first != last => Err(flaw(at, "a ring ends where it begins")),
        _ => Ok(()),
    }
}

/// A `bbox`: the lowest and the highest of each axis. West may be higher than east, across the antimeridian.
fn bounding_box(json: &Json, at: &Pointer) -> Checked {
    const BOX: &str =
        "a `bbox` is four or six numbers, south and below no higher than north and above";
    let Some(found) = json.member("bbox") else {
        return Ok(());
    };
    let at = at.key("bbox");
    let Json::Array(items) = found else {
        return Err(flaw(&at, BOX));
    };
    let numbers: Option<Vec<f64>> = items.iter().map(number).collect();
    let (west, south, east, north, heights) = match numbers.as_deref() {
        Some([west, south, east, north]) => (west, south, east, north, None),
        Some([west, south, below, east, north, above]) => {
            (west, south, east, north, Some((below, above)))
        }
        _ => return Err(flaw(&at, BOX)),
    };
    in_range(*west, *south, &at)?;
    in_range(*east, *north, &at)?;
    if south > north || heights.is_some_and(|(below, above)| below > above) {
        return Err(flaw(&at, BOX));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<(), (String, &'static str)> {
        let json = Json::read(text).unwrap();
        check(&json).map_err(|flaw| (flaw.at.as_str().to_owned(), flaw.why))
    }

    #[test]
    fn every_type_of_the_rfc_is_taken() {
        for text in [
            r#"{"type":"Point","coordinates":[100.0,0.0]}"#,
            r#"{"type":"Point","coordinates":[-180,90,8848.86]}"#,
            r#"{"type":"Point","coordinates":[0.1000000000000000055511151231,-90]}"#,
            r#"{"type":"LineString","coordinates":[[100,0],[101,1]]}"#,
            r#"{"type":"Polygon","coordinates":[[[100,0],[101,0],[101,1],[100,1],[100,0.0]]]}"#,
            r#"{"type":"Polygon","coordinates":[]}"#,
            r#"{"type":"Polygon","coordinates":[[[100,0],[101,0],[101,1],[100,0]],
                [[100.8,0.8],[100.8,0.2],[100.2,0.2],[100.8,0.8]]]}"#,
            r#"{"type":"MultiPoint","coordinates":[[100,0],[101,1]]}"#,
            r#"{"type":"MultiPoint","coordinates":[]}"#,
            r#"{"type":"MultiLineString","coordinates":[[[100,0],[101,1]],[[102,2],[103,3]]]}"#,
            r#"{"type":"MultiPolygon","coordinates":[[[[102,2],[103,2],[103,3],[102,2]]],[]]}"#,
            r#"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]}]}"#,
            r#"{"type":"GeometryCollection","geometries":[]}"#,
            r#"{"type":"Feature","geometry":null,"properties":null}"#,
            r#"{"type":"Feature","id":"f1","bbox":[-10,-10,10,10],"title":"x",
                "geometry":{"type":"Point","coordinates":[1,2]},"properties":{"a":{"geometry":1}}}"#,
            r#"{"type":"Feature","id":1.5,"geometry":null,"properties":{}}"#,
            r#"{"type":"FeatureCollection","bbox":[177,-20,0,-178,-16,100],"features":
                [{"type":"Feature","geometry":null,"properties":null}]}"#,
            r#"{"type":"FeatureCollection","features":[]}"#,
        ] {
            assert_eq!(told(text), Ok(()), "{text}");
        }
    }

    /// What is malformed, and where that is told.
    const MALFORMED: &[(&str, &str)] = &[
        ("[]", ""),
        (r#""{}""#, ""),
        ("{}", ""),
        (r#"{"type":1}"#, "/type"),
        (r#"{"type":"point","coordinates":[1,2]}"#, "/type"),
        (r#"{"type":"Circle","coordinates":[1,2]}"#, "/type"),
        (r#"{"type":"Point"}"#, ""),
        (r#"{"type":"Point","coordinates":[]}"#, "/coordinates"),
        (r#"{"type":"Point","coordinates":[1]}"#, "/coordinates"),
        (
            r#"{"type":"Point","coordinates":[1,2,3,4]}"#,
            "/coordinates",
        ),
        (r#"{"type":"Point","coordinates":["1",2]}"#, "/coordinates"),
        (r#"{"type":"Point","coordinates":[1,null]}"#, "/coordinates"),
        (
            r#"{"type":"Point","coordinates":[180.1,0]}"#,
            "/coordinates",
        ),
        (r#"{"type":"Point","coordinates":[-181,0]}"#, "/coordinates"),
        (r#"{"type":"Point","coordinates":[0,90.5]}"#, "/coordinates"),
        (r#"{"type":"Point","coordinates":[0,-91]}"#, "/coordinates"),
        (
            r#"{"type":"Point","coordinates":[1,2],"geometry":null}"#,
            "/geometry",
        ),
        (
            r#"{"type":"Point","coordinates":[1,2],"bbox":[1,2,3]}"#,
            "/bbox",
        ),
        (
            r#"{"type":"Point","coordinates":[1,2],"bbox":[0,3,0,2]}"#,
            "/bbox",
        ),
        (
            r#"{"type":"Point","coordinates":[1,2],"bbox":[0,0,1,0,0,0]}"#,
            "/bbox",
        ),
        (
            r#"{"type":"Point","coordinates":[1,2],"bbox":[0,0,181,0]}"#,
            "/bbox",
        ),
        (
            r#"{"type":"MultiPoint","coordinates":[[1,2],[1]]}"#,
            "/coordinates/1",
        ),
        (
            r#"{"type":"LineString","coordinates":[[1,2]]}"#,
            "/coordinates",
        ),
        (r#"{"type":"LineString","coordinates":[]}"#, "/coordinates"),
        (
            r#"{"type":"LineString","coordinates":[1,2]}"#,
            "/coordinates/0",
        ),
        (
            r#"{"type":"MultiLineString","coordinates":[[[1,2],[3,4]],[[1,2]]]}"#,
            "/coordinates/1",
        ),
        (
            r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[0,0]]]}"#,
            "/coordinates/0",
        ),
        (
            r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}"#,
            "/coordinates/0",
        ),
        (
            r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0,1]]]}"#,
            "/coordinates/0",
        ),
        (r#"{"type":"Polygon","coordinates":[[]]}"#, "/coordinates/0"),
        (
            r#"{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[2,2]]]]}"#,
            "/coordinates/0/0",
        ),
        (
            r#"{"type":"MultiPolygon","coordinates":{}}"#,
            "/coordinates",
        ),
        (r#"{"type":"GeometryCollection"}"#, ""),
        (
            r#"{"type":"GeometryCollection","geometries":[{"type":"Feature"}]}"#,
            "/geometries/0/type",
        ),
        (
            r#"{"type":"GeometryCollection","geometries":[],"coordinates":[]}"#,
            "/coordinates",
        ),
        (r#"{"type":"Feature","properties":null}"#, ""),
        (r#"{"type":"Feature","geometry":null}"#, ""),
        (
            r#"{"type":"Feature","geometry":null,"properties":[]}"#,
            "/properties",
        ),
        (
            r#"{"type":"Feature","geometry":null,"properties":null,"id":true}"#,
            "/id",
        ),
        (
            r#"{"type":"Feature","geometry":null,"properties":null,"features":[]}"#,
            "/features",
        ),
        (
            r#"{"type":"Feature","geometry":{"type":"Point","coordinates":[1]},"properties":null}"#,
            "/geometry/coordinates",
        ),
        (r#"{"type":"FeatureCollection"}"#, ""),
        (r#"{"type":"FeatureCollection","features":{}}"#, "/features"),
        (
            r#"{"type":"FeatureCollection","features":[],"geometry":null}"#,
            "/geometry",
        ),
        (
            r#"{"type":"FeatureCollection","features":[{"type":"Point","coordinates":[1,2]}]}"#,
            "/features/0",
        ),
    ];

    #[test]
    fn what_is_malformed_is_refused_where_it_stands() {
        for (text, at) in MALFORMED {
            let found = told(text).map_err(|(at, _)| at);
            assert_eq!(found, Err((*at).to_owned()), "{text}");
        }
    }

    #[test]
    fn collections_nest_so_deep_and_no_deeper() {
        let nested = |levels: usize| {
            let open = r#"{"type":"GeometryCollection","geometries":["#;
            format!("{}{}", open.repeat(levels), "]}".repeat(levels))
        };
        assert_eq!(told(&nested(GEOMETRY_DEPTH_MAX)), Ok(()));
        let at = "/geometries/0".repeat(GEOMETRY_DEPTH_MAX);
        let passed = told(&nested(GEOMETRY_DEPTH_MAX + 1));
        assert_eq!(passed, Err((at, "geometry collections nest too deep")));
    }
}
