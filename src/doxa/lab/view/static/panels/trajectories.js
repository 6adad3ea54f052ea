// Belief trajectories by readout.
export { picked as show } from "../picked.js";
