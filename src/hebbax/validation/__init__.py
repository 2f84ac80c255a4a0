"""What people and files bring is checked at the door, and refused in one sentence."""
