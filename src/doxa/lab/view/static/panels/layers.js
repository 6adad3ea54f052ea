// Heat maps of layers by time.
import { picked } from "../picked.js";

export async function show(root, load, ui) { await picked(root, load, ui); }
