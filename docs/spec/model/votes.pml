/* PREPARE, COMMIT and VIEW-CHANGE (../consensus.md 3 and 6): no two blocks are committed for one height, and no honest
   member PREPAREs two for one place. ENDS=1: blocks may end their tenure (R4, V3). ENDS=2: they may end the epoch (R4, V4e).

   n = 4, f = 1, q = 3. Three members are honest; the fourth lies, so its vote is there for every block. Leaders lie, too:
   any block may be proposed, two for each place. That covers all that f members can do, and makes the honest ones alike.
   The network is a bag: what was said can be heard at any time by anyone, or never, so steps ask only for what was said.

   Steps of others never forbid a step here, they only allow more. So every run can be put in an order where all PREPAREs of
   a view come before the VIEW-CHANGEs away from it, and those before the PREPAREs of the next view. COMMITs need no step at
   all: what a member may have COMMITted, sooner or later, can be read from its reports (may_commit). */
#ifndef VIEWS
#define VIEWS 2
#endif
#ifndef HEIGHTS
#define HEIGHTS 2
#endif
#ifndef ENDS
#define ENDS 0
#endif
#include "rules.h"

#define HONEST 3
#define NEED 2              /* honest votes that make a quorum with the liar's: q - f */
#define PLACES (VIEWS * HEIGHTS)
#define BLOCKS (2 * PLACES)
#define NONE 255

/* Places ascend by (view, height); votes are for a place. Blocks 2p-1 and 2p are born in place p, and may be proposed again
   in a later view; block 0 is block zero of the chain. */
#define PLACE(v, h) ((h) == 0 -> 0 : (v) * HEIGHTS + (h))
#define born_at(b) (((b) + 1) / 2)
#define view_of(b) ((born_at(b) - 1) / HEIGHTS)
#define height_of(b) ((b) == 0 -> 0 : (born_at(b) - 1) % HEIGHTS + 1)
#define born_in(b, v) ((b) > 0 && view_of(b) == (v))
#define has(set, b) (((set) >> (b)) & 1)

byte parent[BLOCKS + 1];    /* NONE: not proposed, or forgotten */
int ended;                  /* set of blocks with tenure_end or epoch_end */
int certified[VIEWS];       /* sets of blocks with a PREPARE-QC of the view; block 0 needs none */

/* What each honest member has signed: in this view, for a height 0 or the block; for a target view 0, or one more than the
   certificate it reported as highQC (block and view). */
int prepared[HONEST];
int reported[HONEST];
#define voted(i, h) ((prepared[i] >> (5 * (h) - 5)) & 31)
#define report(i, w) ((reported[i] >> (8 * (w) - 8)) & 255)
#define certificate(v, b) ((b) == 0 -> 1 : (v) * 32 + (b) + 1)
#define report_place(i, w) PLACE((report(i, w) - 1) / 32, height_of((report(i, w) - 1) % 32))

byte view;
bit changing;               /* the view's PREPAREs are over, its VIEW-CHANGEs come */

byte i, h, b, p, v, up, x, n, last;                 /* of the step being made; all 0 between steps */
int k;
bit ok;

inline pick(what, low, high) { what = low; do :: what < (high) -> what++ :: break od }

inline choose_block() {                             /* block b of height h on `up`; k = 1: it ends its tenure or the epoch */
  pick(b, 1, 2 * PLACE(view, HEIGHTS));
  h = height_of(b);
  if
  :: parent[b] != NONE -> up = parent[b]; k = has(ended, b)
  :: parent[b] == NONE && born_in(b, view) && (b % 2 || parent[b - 1] != NONE) ->
     if :: h > 1 -> pick(v, 0, view); pick(up, 2 * PLACE(v, h - 1) - 1, 2 * PLACE(v, h - 1)) :: else fi;
     if :: true -> k = 0 :: ENDS > 0 -> k = 1 fi
  :: else -> up = NONE
  fi;
  v = 0
}

/* ok: q VIEW-CHANGEs for this view have a certificate of `what` as their maximum. The liar reports whatever helps. */
inline is_maximum(what) {
  v = view - 1;                                     /* its newest certificate */
  do :: v > 0 && !has(certified[v], what) -> v-- :: else -> break od;
  n = 0; x = 0;
  do
  :: x < HONEST ->
     n = n + (report(x, view) > 0 && (!V4 || report_place(x, view) <= PLACE(v, height_of(what))) ||
              !V4m && view > 1 && report(x, view - 1) > 0 && report_place(x, view - 1) <= PLACE(v, height_of(what)));
     x++
  :: else -> break
  od;
  ok = n >= NEED && (what == 0 || has(certified[v], what))
}

inline may_prepare() {
  ok = up != NONE && (up == 0 || parent[up] != NONE) && height_of(up) == h - 1;
  x = view + 1;                                     /* R1: no VIEW-CHANGE above the view */
  do :: x < VIEWS -> ok = ok && report(i, x) == 0; x++ :: else -> break od;
  last = 0; x = 1;
  do :: x <= HEIGHTS -> last = (voted(i, x) > 0 -> x : last); x++ :: else -> break od;
  ok = ok && (!R1 || h > last);                     /* R1: upwards only */
  ok = ok && !(R4 && has(ended, up) && (ENDS == 2 || born_in(up, view) && born_in(b, view)));  /* R4 */
  if
  :: !ok || up > 0 && has(certified[view], up)      /* R2, R3: the parent has a PREPARE-QC in this view */
  :: else ->
     if
     :: last > 0 -> ok = !R3 || voted(i, last) == up                          /* R3: or is my last vote */
     :: last == 0 && R2 && view == 0 -> ok = up == 0
     :: last == 0 && R2 && view > 0 && born_in(b, view) ->                    /* R2: or is what a justification names */
        if
        :: ENDS == 1 && born_in(up, view - 1) && has(ended, up) && has(certified[view - 1], up)    /* V3 */
        :: else -> is_maximum(up)                   /* V4 */
        fi
     :: last == 0 && R2 && view > 0 && !born_in(b, view) ->                   /* V4, V4e: or that block itself, unchanged */
        is_maximum(b); ok = ok && V4e
     :: else
     fi
  fi
}

/* R5, R7: if the COMMIT came first, no later report is below it; if a report came first, no COMMIT is above it.
   ok: q members may have COMMITted block c in view w. */
inline may_commit(w, c) {
  n = 0; i = 0;
  do
  :: i < HONEST ->
     ok = true; x = w + 1;
     do
     :: x < VIEWS -> ok = ok && (!R5 || !R7 || report(i, x) == 0 || report_place(i, x) >= PLACE(w, height_of(c))); x++
     :: else -> break
     od;
     n = n + ok; i++
  :: else -> break
  od;
  ok = n >= NEED
}

/* R6 and agreement: whatever may be committed beside b is its ancestor or descendant; what stands on an epoch_end block is
   the next epoch's to decide. */
inline agrees() {
  may_commit(view, b);
  assert(!(ok && ENDS == 2 && has(ended, parent[b])));
  v = 0; p = 1;
  do
  :: ok && v <= view && p <= BLOCKS && p != b && has(certified[v], p) ->
     may_commit(v, p);
     if
     :: ok ->
        up = b; x = p;
        do
        :: height_of(up) > height_of(x) -> up = parent[up]
        :: height_of(x) > height_of(up) -> x = parent[x]
        :: else -> break
        od;
        assert(up == x)
     :: else -> ok = true
     fi;
     p++
  :: ok && v <= view && p <= BLOCKS && !(p != b && has(certified[v], p)) -> p++
  :: ok && v < view && p > BLOCKS -> v++; p = 1
  :: else -> break
  od;
  reached()
}

/* With -DREACH=N, a search that must fail: what it fails at can happen, so the model is not empty. b has just got its
   PREPARE-QC in `view`. */
#ifndef REACH
#define REACH 0
#endif
inline reached() {
  may_commit(view, b);
  assert(!(REACH == 1 && ok && view == 0 && height_of(b) == HEIGHTS));         /* the whole chain in one view */
  assert(!(REACH == 2 && ok && view > 0 && born_in(b, view) && height_of(b) > 1));   /* a view after a NEW-VIEW */
  assert(!(REACH == 3 && ok && view > 0 && !born_in(b, view)));                /* a block that was proposed again (V4) */
  assert(!(REACH == 4 && ok && ENDS == 1 && view > 0 && report(0, view) == 0 && report(1, view) == 0 &&
           report(2, view) == 0));                                             /* V3: entered by a tenure end alone */
  assert(!(REACH == 5 && ok && ENDS == 2 && has(ended, b) && view == 0));      /* an epoch end in its own view */
  assert(!(REACH == 6 && ok && ENDS == 2 && has(ended, b) && !born_in(b, view)));  /* V4e: in a later one */
  x = 0;                                            /* R5, late: in view 0, by one that has asked for a later view since */
  do
  :: x < HONEST && view > 0 ->
     p = 1;
     do
     :: p <= BLOCKS ->
        assert(!(REACH == 7 && has(certified[0], p) && report(x, 1) > 0 && report_place(x, 1) >= PLACE(0, height_of(p))));
        p++
     :: else -> break
     od;
     x++
  :: else -> break
  od
}

inline prepare() {
  pick(i, 0, HONEST - 1);
  choose_block();
  d_step {
  may_prepare();
  if
  :: ok ->
     assert(voted(i, h) == 0);                      /* no two PREPAREs for a place */
     parent[b] = up; ended = ended | (k << b);
     prepared[i] = prepared[i] | (b << (5 * h - 5));
     n = (voted(0, h) == b) + (voted(1, h) == b) + (voted(2, h) == b);
     if
     :: n >= NEED && !has(certified[view], b) -> certified[view] = certified[view] | (1 << b); agrees()
     :: else
     fi
  :: else
  fi;
  end_step()
  }
}

inline view_change() {                              /* to the next view, or further, reporting certificate (v, b) */
  pick(i, 0, HONEST - 1); pick(k, view + 1, VIEWS - 1); pick(v, 0, view); pick(b, 0, 2 * PLACE(v, HEIGHTS));
  d_step {
  ok = b == 0 && v == 0 || has(certified[v], b);
  x = 1;                                            /* targets rise, and R7: reports do not fall */
  do
  :: x < VIEWS -> ok = ok && (report(i, x) == 0 || x < k && report_place(i, x) <= PLACE(v, height_of(b))); x++
  :: else -> break
  od;
  if :: ok -> reported[i] = reported[i] | (certificate(v, b) << (8 * k - 8)) :: else fi;
  end_step()
  }
}

/* The PREPAREs of the view are over: what is not certified now, nor below what is, never matters again. */
inline close_view() {
  b = 2 * PLACE(view, HEIGHTS); k = 0;
  do
  :: b > 0 ->
     ok = false; v = 0;
     do :: v <= view -> ok = ok || has(certified[v], b); v++ :: else -> break od;
     if
     :: parent[b] != NONE && (ok || has(k, b)) -> k = k | (1 << parent[b])
     :: else -> parent[b] = NONE; ended = ended & ~(1 << b)
     fi;
     b--
  :: else -> break
  od;
  prepared[0] = 0; prepared[1] = 0; prepared[2] = 0; changing = 1
}

/* Honest members are alike: their order says nothing. */
inline sort(a, c) {
  if
  :: prepared[a] > prepared[c] || prepared[a] == prepared[c] && reported[a] > reported[c] ->
     k = prepared[a]; prepared[a] = prepared[c]; prepared[c] = k;
     k = reported[a]; reported[a] = reported[c]; reported[c] = k
  :: else
  fi
}
inline end_step() {
  sort(0, 1); sort(1, 2); sort(0, 1);
  i = 0; h = 0; b = 0; p = 0; v = 0; up = 0; x = 0; n = 0; last = 0; k = 0; ok = 0
}

init {
  d_step { p = 1; do :: p <= BLOCKS -> parent[p] = NONE; p++ :: else -> p = 0; break od }
end:
  do
  :: atomic { !changing -> prepare() }
  :: atomic { changing -> view_change() }
  :: d_step { !changing && view + 1 < VIEWS -> close_view(); end_step() }
  :: atomic { changing -> changing = 0; view++ }
  od
}
