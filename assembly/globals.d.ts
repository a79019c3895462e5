/** Set per compile target in asconfig.json: see isa.ts. */
declare const VARIANT: i32;
