// Any measure over its axis.
export { picked as show } from "../picked.js";
