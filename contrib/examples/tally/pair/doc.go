// Package pair is a log of numbers that is kept twice: by a primary and by a secondary. It
// stands for whatever a real service does. It knows nothing of cssc but two words: the term,
// with which a primary of the past is told from the present one, and the [Standing] of its
// node, which it asks for when the other side is silent. What ties it to cssc is the program
// in the folder above.
//
// # Model
//
//	                 TakeOver           Admit
//	     ┌──────────────────────▶ primary ──▶ open: clients may put
//	idle ┤                           │  ▲       │
//	     │  Follow                   │  └───────┘ HandOver: everything is on the secondary
//	     └─────────▶ secondary       │
//	        ◀────────────┴───────────┘ Retire; or a newer term was heard
//
// # Guarantees
//
// A number that was acknowledged is on the disk of the primary and of its secondary, once,
// behind the lower ones of the same client. A primary without a secondary acknowledges alone,
// but only for as long as its node is the master for certain. A copy that has heard of a term
// takes nothing of an older one, be it from a client, a primary or a secondary. TakeOver goes
// on with the furthest copy that answers.
//
// # What is not guaranteed
//
// What a primary acknowledged alone is lost when its disk is. So is what the last two copies
// have when a third, older one is all that comes up. A secondary that is silent for longer
// than patience is given up. There is no authentication, and the log only grows.
package pair
