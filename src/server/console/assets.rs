//! The console's script and style: part of the binary, under names that change with their content, so that browsers may keep
//! them for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::directory::token::hash;

/// A file.
struct Asset {
    /// Its name with a part of its hash.
    name: String,
    kind: &'static str,
    text: &'static str,
}

/// Where pages find them.
#[derive(Serialize)]
pub(super) struct Names {
    css: String,
    js: String,
    studio: String,
    icon: String,
}

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    let asset = |stem: &str, ending: &str, kind: &'static str, text: &'static str| {
        let mark: String = hash(text).chars().take(12).collect();
        Asset { name: format!("{stem}-{mark}.{ending}"), kind, text }
    };
    let (css, js) = ("text/css; charset=utf-8", "text/javascript; charset=utf-8");
    [
        asset("console", "css", css, include_str!("assets/console.css")),
        asset("console", "js", js, include_str!("assets/console.js")),
        asset("studio", "js", js, include_str!("assets/studio.js")),
        asset("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ]
});

/// The paths of all of them.
pub(super) fn names() -> Names {
    let [css, js, studio, icon] = &*ASSETS;
    let path = |asset: &Asset| format!("/console/assets/{}", asset.name);
    Names { css: path(css), js: path(js), studio: path(studio), icon: path(icon) }
}

/// `GET /console/assets/{name}`, for everybody: there is no secret in them.
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => {
            let headers =
                [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
            (headers, asset.text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
