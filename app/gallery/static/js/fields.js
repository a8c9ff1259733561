/** The fields of an image that people may change: what they are called, how they are asked for, and their limits. */

export const FIELDS = {
  title: { label: "Title", element: "input", limit: "max_title_length" },
  description: { label: "Description", element: "textarea", limit: "max_description_length" },
  location: { label: "Location", element: "input", limit: "max_location_length" },
  tags: { label: "Tags" },
};

/** Whether two values of a field say the same. */
export const sameValue = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
