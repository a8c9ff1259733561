// Runs before each request of the collection: makes the image or the upload that the request is about.
const wanted = JSON.stringify(pm.request);

function post(path, body, done) {
    pm.sendRequest({
        url: pm.variables.replaceIn("{{base_url}}/api/v1") + path,
        method: "POST",
        header: { "X-User-ID": pm.variables.get("user_id"), "Content-Type": "application/json" },
        body: { mode: "raw", raw: JSON.stringify(body) },
    }, (error, response) => {
        if (error) throw error;
        if (response.code !== 201) throw new Error(response.text());
        done(response.json());
    });
}

function keep(image) {
    pm.collectionVariables.set("image_id", image.image_id);
    if (image.thumbnail_url === null) return;
    const [path, query] = image.thumbnail_url.split("?");
    pm.collectionVariables.set("spec_name", path.split("/").pop());
    for (const part of query.split("&")) pm.collectionVariables.set(...part.split("="));
}

if (wanted.includes("uploads")) {
    if (wanted.includes("DELETE")) {
        const announced = { filename: "photo.png", content_type: "image/png", file_size: 70 };
        post("/uploads", announced, (issued) => keep(issued.image));
    } // "complete" is about the upload that was announced and sent by the two requests before it
} else if (wanted.includes("{{image_id}}")) {
    post("/images", { image_data: pm.variables.get("sample_image") }, keep);
}
