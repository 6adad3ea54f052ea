// Any measure over its axis.
import { picked } from "../picked.js";

export async function show(root, load, ui) { await picked(root, load, ui); }
