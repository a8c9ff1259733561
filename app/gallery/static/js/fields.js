/** The fields of an image that people may change: what they are called, and how they are asked for. */

export const FIELDS = {
  title: { label: "Title", element: "input", maxlength: 200 },
  description: { label: "Description", element: "textarea", maxlength: 2000 },
  location: { label: "Location", element: "input", maxlength: 200 },
  tags: { label: "Tags" },
};

/** Whether two values of a field say the same. */
export const sameValue = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
