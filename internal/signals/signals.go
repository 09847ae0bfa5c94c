// Package signals catches what asks this process to end, to stop or to pass
// something on, as os/signal does: a caught signal is sent to every channel that
// wants it, and lost on one that is full.
//
// On Linux it does so without os/signal, which has a thread of the runtime woken
// and waited for with each signal, when catching begins and when it ends: for the
// nine of a run that was a tenth of a start. Both must not catch the same signal
// at the same time: the one that began last would have it.
package signals
